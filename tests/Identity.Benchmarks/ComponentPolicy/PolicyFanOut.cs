using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text;
using Identity.Benchmarks.WorkloadApi;
using Identity.Testing.Platform;
using Identity.V1;
using Spire.Api.Types;
using AgentClient = Spire.Api.Server.Agent.V1.Agent.AgentClient;

namespace Identity.Benchmarks.ComponentPolicy;

/// <summary>
/// How long until a change of policy is at every one of 1,000 agents: the shipped identityd, and this process as the agents, each with an SVID and a TLS connection of its
/// own. Timed from before ApplyPolicies is called until the last byte of the snapshot is off the wire, and on some of them until the agent's own code has read it and decides
/// otherwise: each change turns whether one component may start. Agents and server share the machine.
/// </summary>
internal static class PolicyFanOut
{
    public const string Name = "Identity.Benchmarks.ComponentPolicy.PolicyFanOut";

    private const int Agents = 1000;

    // Few, and spread among the others: each is a parser that a node of its own would run, and here they all share two cores with the server.
    private const int Deciding = 10;
    private const int Rounds = 15;
    private const int AttestedAtOnce = 20;

    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(6);

    public static async Task RunAsync(string results)
    {
        using var deadline = new CancellationTokenSource(Longest);
        var folder = Directory.CreateTempSubdirectory("ib-").FullName;
        var table = new Table("measurement", "p50", "p99", "last agent, median of rounds", "CPU of the server, each round", "memory of the server");
        await using (var platform = new LocalPlatform(folder, Ports.Any(), ""))
        {
            var server = await platform.StartServerAsync(deadline.Token);
            using var admin = new UnixChannel(platform.AdminSocket);
            var agents = await AttestAsync(new IPEndPoint(IPAddress.Loopback, platform.Ports.Grpc), new AgentClient(admin.Channel), deadline.Token);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"// {agents.Count} agents are attested and listen"));
            foreach (var (documents, rules) in new[] { (1, 10), (1, 1000), (100, 10) })
            {
                await MeasureAsync(table, server, new PolicyAdmin.PolicyAdminClient(admin.Channel), agents, documents, rules, deadline.Token);
                Console.WriteLine(table);
            }

            foreach (var agent in agents) agent.Dispose();
        }

        Directory.CreateDirectory(results);
        await File.WriteAllTextAsync(Path.Combine(results, Name + "-report-github.md"), table.ToString(), CancellationToken.None);
        Directory.Delete(folder, recursive: true);
    }

    private static async Task<List<FakeAgent>> AttestAsync(IPEndPoint server, AgentClient admin, CancellationToken cancellation)
    {
        var agents = new List<FakeAgent>();
        while (agents.Count < Agents)
        {
            var some = await Task.WhenAll(Enumerable.Range(0, AttestedAtOnce).Select(i => FakeAgent.AttestAsync(server, From(agents.Count + i), Node(agents.Count + i), admin, ViewOf(agents.Count + i), cancellation)));
            await Task.WhenAll(some.Select(agent => agent.NextAsync(cancellation)));
            agents.AddRange(some);
        }

        return agents;
    }

    // All of 127.0.0.0/8 is this machine; no address attests more often than one may at once.
    private static IPAddress From(int agent) => new([127, 0, 1, (byte)(1 + agent % 200)]);

    private static DecidingView? ViewOf(int agent) => agent % (Agents / Deciding) == 0 ? new DecidingView() : null;

    private static SPIFFEID Node(int agent) => new() { TrustDomain = "example.org", Path = string.Create(CultureInfo.InvariantCulture, $"/nodes/n{agent}") };

    private static async Task MeasureAsync(
        Table table, ManagedProcess server, PolicyAdmin.PolicyAdminClient admin, List<FakeAgent> agents, int documents, int rules, CancellationToken cancellation)
    {
        // No round applies the same text again: nobody would hear of it.
        await ChangeAsync(admin, agents, [.. Enumerable.Range(0, documents).Select(i => Document(i, rules, -3))], cancellation);
        var (all, last) = (new List<double>(), new List<double>());
        var (decided, lastDecided) = (new List<double>(), new List<double>());
        var cpu = TimeSpan.Zero;
        var bytes = 0;
        for (var round = -2; round < Rounds; round++)
        {
            var before = ProcessUsage.Cpu(server.Id);
            var started = Stopwatch.GetTimestamp();
            var arrivals = await ChangeAsync(admin, agents, [Document(0, rules, round)], cancellation);
            bytes = arrivals[1].Bytes;
            var decisions = arrivals.Where(arrival => arrival.Decided is not null).Select(arrival => arrival.Decided!.Value).ToList();
            if (decisions.Count != Deciding || decisions.Exists(decision => decision.IsAdmitted != IsPermitted(round)))
                throw new InvalidOperationException($"round {round}: {decisions.Count} agents decided, and not as the policy of that round says");
            // The first two find code to compile and buffers to make.
            if (round < 0) continue;
            cpu += ProcessUsage.Cpu(server.Id) - before;
            var times = arrivals.Select(arrival => Stopwatch.GetElapsedTime(started, arrival.At).TotalMilliseconds).ToList();
            all.AddRange(times);
            last.Add(times.Max());
            times = decisions.ConvertAll(decision => Stopwatch.GetElapsedTime(started, decision.At).TotalMilliseconds);
            decided.AddRange(times);
            lastDecided.Add(times.Max());
        }

        table.Add(
            string.Create(CultureInfo.InvariantCulture, $"{agents.Count} agents, {documents} documents of {rules} rules, one changes: {bytes / 1024.0:F1} KiB each"),
            all,
            string.Create(CultureInfo.InvariantCulture, $"{Table.Percentile(last, 50):F0} ms"),
            string.Create(CultureInfo.InvariantCulture, $"{cpu.TotalMilliseconds / Rounds:F0} ms"),
            string.Create(CultureInfo.InvariantCulture, $"{ProcessUsage.Memory(server.Id) >> 20} MiB"));
        table.Add(
            string.Create(CultureInfo.InvariantCulture, $"the same, until {Deciding} of them have read it and decide otherwise"),
            decided,
            string.Create(CultureInfo.InvariantCulture, $"{Table.Percentile(lastDecided, 50):F0} ms"),
            "",
            "");
    }

    private static async Task<FakeAgent.Arrival[]> ChangeAsync(PolicyAdmin.PolicyAdminClient admin, List<FakeAgent> agents, string[] documents, CancellationToken cancellation)
    {
        var heard = agents.ConvertAll(agent => agent.NextAsync(cancellation));
        var request = new ApplyPoliciesRequest { Reason = "measure" };
        request.Documents.AddRange(documents.Select(text => new PolicySource { Text = text }));
        await admin.ApplyPoliciesAsync(request, cancellationToken: cancellation);
        return await Task.WhenAll(heard);
    }

    private static string Document(int number, int rules, int round)
    {
        var text = new StringBuilder($"# {round}\nkind: CapabilityPolicy\nname: measured-{number}\nrules:\n");
        for (var i = 0; i < rules; i++)
        {
            text.Append(CultureInfo.InvariantCulture, $"  - {{ name: r{i}, effect: permit, subjects: [{{ spiffeId: spiffe://example.org/components/c{i} }}], capabilities: [{{ import: wasi:io/poll@0.2.0 }}] }}\n");
        }

        var effect = IsPermitted(round) ? "permit" : "forbid";
        if (number == 0) text.Append(CultureInfo.InvariantCulture, $"  - {{ name: turn, effect: {effect}, subjects: [{{ spiffeId: {DecidingView.Component} }}], capabilities: [{{ import: {DecidingView.Import} }}] }}\n");
        return text.ToString();
    }

    // Every round turns the answer of the one before.
    private static bool IsPermitted(int round) => round % 2 == 0;
}
