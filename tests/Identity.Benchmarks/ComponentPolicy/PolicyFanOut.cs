using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using Identity.Benchmarks.Floors;
using Identity.Benchmarks.WorkloadApi;
using Identity.Testing.Nats;
using Identity.Testing.Platform;
using Identity.V1;
using Spire.Api.Types;
using AgentClient = Spire.Api.Server.Agent.V1.Agent.AgentClient;
using PolicyAdminClient = Identity.V1.PolicyAdmin.PolicyAdminClient;

namespace Identity.Benchmarks.ComponentPolicy;

/// <summary>
/// How long until a change of policy is at every one of 1,000 agents, and until it is enforced: the shipped identityd, and this process as the agents, each with an SVID and a TLS
/// connection of its own. Timed from before ApplyPolicies is called until the last byte of the snapshot is off the wire, and on some of them until the agent's own code has read it
/// and decides otherwise: each change turns whether one component may start. After every change a process that does nothing else pushes as many bytes to as many connections of the
/// same client. Then one more node, with the shipped agent and host, on which a component runs and a login stands until a change forbids them. All share the machine.
/// </summary>
internal static class PolicyFanOut
{
    public const string Name = "Identity.Benchmarks.ComponentPolicy.PolicyFanOut";

    private const int Agents = 1000;
    private const int Rounds = 15;
    private const int ForbiddingRounds = 10;
    private const int AtOnce = 20;

    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(8);

    // A node has a parser of its own; here all share two cores with the server, and for a thousand of them a document of 1,000 rules is half a minute of processor time.
    private static readonly Shape[] Shapes = [new(1, 10, Deciding: 10), new(1, 10, Deciding: Agents), new(1, 1000, Deciding: 10), new(100, 10, Deciding: 10), new(100, 10, Deciding: 100)];

    private static readonly (int Agents, int Rules)[] Forbidden = [(0, 10), (Agents, 10), (Agents, 1000)];

    public static async Task RunAsync(string results)
    {
        using var deadline = new CancellationTokenSource(Longest);
        var folder = Directory.CreateTempSubdirectory("ib-").FullName;
        var table = new Table("measurement", "p50", "p99", "last of a round, median", "of the floor's last", "CPU of the server, each round", "memory of the server");
        await using (var floor = await FloorProcess.StartAsync(folder, natsUrl: null, deadline.Token))
        await using (var platform = new LocalPlatform(folder, Ports.Any(), NatsServerBinary.Newest.Path)) await MeasureAsync(table, platform, floor, deadline.Token);

        Directory.CreateDirectory(results);
        await File.WriteAllTextAsync(Path.Combine(results, Name + "-report-github.md"), table.ToString(), CancellationToken.None);
        Directory.Delete(folder, recursive: true);
    }

    private static async Task MeasureAsync(Table table, LocalPlatform platform, FloorProcess floor, CancellationToken cancellation)
    {
        var server = await platform.StartServerAsync(cancellation);
        using var socket = new UnixChannel(platform.AdminSocket);
        var admin = new PolicyAdminClient(socket.Channel);
        var agents = await AttestAsync(new IPEndPoint(IPAddress.Loopback, platform.Ports.Grpc), new AgentClient(socket.Channel), cancellation);
        var strangers = Enumerable.Range(0, Agents).Select(i => FakeAgent.Stranger(floor.Tls, From(i))).ToList();
        await SubscribeAsync(strangers, deciding: 0, cancellation);
        Say($"{agents.Count} agents are attested");
        foreach (var shape in Shapes)
        {
            await SubscribeAsync(agents, shape.Deciding, cancellation);
            await MeasureAsync(table, shape, new Side(server, admin, agents), new Side(floor.Process, floor.PolicyAdmin, strangers), cancellation);
            Say($"{shape}\n{table}");
        }

        await using var node = await EnforcingNode.StartAsync(platform, cancellation);
        foreach (var (count, rules) in Forbidden)
        {
            foreach (var agent in count == 0 ? agents : []) agent.Unsubscribe();
            await SubscribeAsync(agents[..count], deciding: 0, cancellation);
            await ForbidAsync(table, node, new Side(server, admin, agents[..count]), rules, cancellation);
            Say($"forbidden among {count}\n{table}");
        }

        foreach (var agent in (List<FakeAgent>)[.. agents, .. strangers]) agent.Dispose();
    }

    private static async Task<List<FakeAgent>> AttestAsync(IPEndPoint server, AgentClient admin, CancellationToken cancellation)
    {
        var agents = new List<FakeAgent>();
        foreach (var some in Enumerable.Range(0, Agents).Chunk(AtOnce))
            agents.AddRange(await Task.WhenAll(some.Select(agent => FakeAgent.AttestAsync(server, From(agent), Node(agent), admin, cancellation))));
        return agents;
    }

    /// <param name="deciding">How many of them read what they hear, spread among the others.</param>
    private static async Task SubscribeAsync(List<FakeAgent> agents, int deciding, CancellationToken cancellation)
    {
        foreach (var some in Enumerable.Range(0, agents.Count).Chunk(AtOnce))
            await Task.WhenAll(some.Select(agent => agents[agent].SubscribeAsync(deciding > 0 && agent % (agents.Count / deciding) == 0 ? new DecidingView() : null, cancellation)));
    }

    // All of 127.0.0.0/8 is this machine; no address attests more often than one may at once.
    private static IPAddress From(int agent) => new([127, 0, 1, (byte)(1 + agent % 200)]);

    private static SPIFFEID Node(int agent) => new() { TrustDomain = "example.org", Path = string.Create(CultureInfo.InvariantCulture, $"/nodes/n{agent}") };

    private static async Task MeasureAsync(Table table, Shape shape, Side server, Side floor, CancellationToken cancellation)
    {
        // No round applies the same text again: nobody would hear of it.
        await ChangeAsync(server, [.. Enumerable.Range(0, shape.Documents).Select(i => Document(i, shape.Rules, -3))], cancellation);
        var (heard, decided, pushed) = (new Times(), new Times(), new Times());
        var (cpu, floorCpu) = (TimeSpan.Zero, TimeSpan.Zero);
        var bytes = 0;
        for (var round = -2; round < Rounds; round++)
        {
            var (started, arrivals, used) = await ChangeAsync(server, [Document(0, shape.Rules, round)], cancellation);
            bytes = arrivals[^1].Bytes;
            var decisions = arrivals.Where(arrival => arrival.Decided is not null).Select(arrival => arrival.Decided!.Value).ToList();
            if (decisions.Count != shape.Deciding || decisions.Exists(decision => decision.IsAdmitted != IsPermitted(round)))
                throw new InvalidOperationException($"round {round}: {decisions.Count} agents decided, and not as the policy of that round says");
            var (floorStarted, floorArrivals, floorUsed) = await ChangeAsync(floor, [new string('x', bytes)], cancellation);
            if (Array.Exists(floorArrivals, arrival => arrival.Bytes != bytes)) throw new InvalidOperationException($"round {round}: the floor did not push {bytes} bytes to each");
            // The first two find code to compile and buffers to make.
            if (round < 0) continue;
            cpu += used;
            floorCpu += floorUsed;
            heard.AddRound(started, arrivals.Select(arrival => arrival.At));
            decided.AddRound(started, decisions.Select(decision => decision.At));
            pushed.AddRound(floorStarted, floorArrivals.Select(arrival => arrival.At));
        }

        table.Add(string.Create(CultureInfo.InvariantCulture, $"floor: {bytes / 1024.0:F1} KiB pushed through {Agents} connections"), pushed.All, Last(pushed), "1.00", Each(floorCpu), Memory(floor));
        table.Add($"{shape}, one changes: off the wire", heard.All, Last(heard), heard.RatioTo(pushed), Each(cpu), Memory(server));
        table.Add($"the same, until {(shape.Deciding == Agents ? "all" : shape.Deciding)} have read it and decide otherwise", decided.All, Last(decided), decided.RatioTo(pushed), "", "");
    }

    private static async Task ForbidAsync(Table table, EnforcingNode node, Side server, int rules, CancellationToken cancellation)
    {
        var (heard, ended, cut) = (new Times(), new Times(), new Times());
        for (var round = -2; round < 2 * ForbiddingRounds; round++)
        {
            if (IsPermitted(round))
            {
                await ChangeAsync(server, [Document(0, rules, round, EnforcingNode.Rules)], cancellation);
                await node.RunningAsync(cancellation);
                continue;
            }

            var ends = node.EndsAsync(cancellation);
            var (started, arrivals, _) = await ChangeAsync(server, [Document(0, rules, round, EnforcingNode.Rules)], cancellation);
            var (component, login) = await ends;
            if (round < 0) continue;
            ended.AddRound(started, [component]);
            cut.AddRound(started, [login]);
            if (arrivals.Length > 0) heard.AddRound(started, arrivals.Select(arrival => arrival.At));
        }

        var among = string.Create(CultureInfo.InvariantCulture, $"1 document of {rules} rules forbids, {(server.Agents.Count == 0 ? "no other agent" : $"{server.Agents.Count} other agents")}");
        if (heard.All.Count > 0) table.Add($"{among}: off the wire at them", heard.All, Last(heard), "", "", "");
        table.Add($"{among}: the component that ran has ended", ended.All, "", "", "", "");
        table.Add($"{among}: the connection to NATS is cut", cut.All, "", "", "", "");
    }

    private static async Task<(long Started, FakeAgent.Arrival[] Arrivals, TimeSpan Cpu)> ChangeAsync(Side server, string[] documents, CancellationToken cancellation)
    {
        var heard = server.Agents.ConvertAll(agent => agent.NextAsync(cancellation));
        var request = new ApplyPoliciesRequest { Reason = "measure" };
        request.Documents.AddRange(documents.Select(text => new PolicySource { Text = text }));
        var before = ProcessUsage.Cpu(server.Process.Id);
        var started = Stopwatch.GetTimestamp();
        await server.Admin.ApplyPoliciesAsync(request, cancellationToken: cancellation);
        return (started, await Task.WhenAll(heard), ProcessUsage.Cpu(server.Process.Id) - before);
    }

    /// <param name="more">Rules of the same effect as the one that turns; null for none.</param>
    private static string Document(int number, int rules, int round, Func<string, string>? more = null)
    {
        var text = new StringBuilder($"# {round}\nkind: CapabilityPolicy\nname: measured-{number}\nrules:\n");
        for (var i = 0; i < rules; i++)
        {
            // Names that have nothing in common, or the document would be packed to almost nothing.
            var name = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{number}/{i}"))))[..12];
            text.Append(CultureInfo.InvariantCulture, $"  - {{ name: r{i}, effect: permit, subjects: [{{ spiffeId: spiffe://example.org/components/{name} }}], capabilities: [{{ import: wasi:io/poll@0.2.0 }}] }}\n");
        }

        var effect = IsPermitted(round) ? "permit" : "forbid";
        if (number == 0) text.Append(CultureInfo.InvariantCulture, $"  - {{ name: turn, effect: {effect}, subjects: [{{ spiffeId: {DecidingView.Component} }}], capabilities: [{{ import: {DecidingView.Import} }}] }}\n");
        return text.Append(more?.Invoke(effect)).ToString();
    }

    // Every round turns the answer of the one before.
    private static bool IsPermitted(int round) => round % 2 == 0;

    private static string Last(Times times) => string.Create(CultureInfo.InvariantCulture, $"{Table.Percentile(times.Last, 50):F0} ms");

    private static string Each(TimeSpan cpu) => string.Create(CultureInfo.InvariantCulture, $"{cpu.TotalMilliseconds / Rounds:F0} ms");

    private static string Memory(Side side) => string.Create(CultureInfo.InvariantCulture, $"{ProcessUsage.Memory(side.Process.Id) >> 20} MiB");

    private static void Say(string done) => Console.WriteLine($"// {done}");

    /// <param name="Rules">In each document.</param>
    /// <param name="Deciding">Agents that read what they hear.</param>
    private sealed record Shape(int Documents, int Rules, int Deciding)
    {
        public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Agents} agents, {(Documents == 1 ? "1 document" : $"{Documents} documents")} of {Rules} rules");
    }

    /// <summary>Who pushes, and to whom.</summary>
    private sealed record Side(ManagedProcess Process, PolicyAdminClient Admin, List<FakeAgent> Agents);

    /// <summary>Milliseconds from the start of a round, of every event and of the last one of each.</summary>
    private sealed class Times
    {
        public List<double> All { get; } = [];

        public List<double> Last { get; } = [];

        public void AddRound(long started, IEnumerable<long> at)
        {
            var times = at.Select(time => Stopwatch.GetElapsedTime(started, time).TotalMilliseconds).ToList();
            All.AddRange(times);
            Last.Add(times.Max());
        }

        // Round by round: a shared machine is half as fast again in one second as in another.
        public string RatioTo(Times floor) => string.Create(CultureInfo.InvariantCulture, $"{Table.Percentile([.. Last.Zip(floor.Last, (own, other) => own / other)], 50):F2}");
    }
}
