using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using Identity.Benchmarks.Floors;
using Identity.Benchmarks.WorkloadApi;
using Identity.Testing.Nats;
using Identity.Testing.Platform;
using Identity.Tests.Server.DecisionPoints;
using Identity.Tests.Server.DecisionPoints.KubernetesAdmission;
using Identity.Tests.Server.DecisionPoints.WasmCloudV1;

namespace Identity.Benchmarks.DecisionPoints;

/// <summary>
/// How long the doors take to answer: the shipped identityd, asked by wasmCloud v1 hosts over a real nats-server, by an AuthZEN PEP and by a Kubernetes API server, one question after
/// another, 32 at once, and a flood of 1,000 at once for the hosts, each of which waits one second. By turns with a process that answers as many bytes over the same nats-server and
/// the same TLS and looks at nothing.
/// </summary>
internal static class AskDoors
{
    public const string Name = "Identity.Benchmarks.DecisionPoints.AskDoors";

    private const string Topic = "wasmcloud.policy";
    private const string Pep = "spiffe://example.org/gateways/edge";

    // Of one host 4,500 yeses are kept at most.
    private const int Hosts = 8;
    private const int Turns = 10;
    private const int WarmTurns = 3;

    private static readonly (int Lanes, int Each)[] ForHosts = [(1, 100), (32, 20), (1000, 1)];
    private static readonly (int Lanes, int Each)[] ForHttp = [(1, 100), (32, 10)];

    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(3);

    // What the samples of admission ask for, and one component of a lattice whatever its number.
    private const string Policy = """
        kind: CapabilityPolicy
        name: doors
        rules:
          - name: lattice
            effect: permit
            subjects: [{ spiffeIdPrefix: "spiffe://example.org/wasmcloud/default", lattice: default, imagePrefix: ghcr.io/acme }]
            capabilities: [start]
          - name: gateway
            effect: permit
            subjects: [{ spiffeId: "spiffe://example.org/cart" }]
            capabilities: [{ connect: "api.example.com:443" }]
          - name: workload
            effect: permit
            subjects: [{ spiffeId: "spiffe://example.org/ns/shop/component/http", namespace: shop, imagePrefix: ghcr.io/acme }]
            capabilities:
              - start
              - export: wasi:http/incoming-handler
              - import: wasi:keyvalue/store@0.2.0
              - connect: "api.example.com:*"
              - resolve: api.example.com
              - config: db/host
              - config: LOG
              - config: configmap/cart-config
              - config: wasi/http/host
              - secret: cart-db
              - secret: registry
              - mount: /var/data

        """;

    public static async Task RunAsync(string results)
    {
        using var deadline = new CancellationTokenSource(Longest);
        var folder = Directory.CreateTempSubdirectory("ib-").FullName;
        var table = new Table("measurement", "p50", "p99", "rate", "of the floor's p50", "not answered as policy says", "CPU of who answers, each");
        await using (var nats = await NatsServerProcess.StartAsync(NatsServerBinary.Newest, "port: -1\nhost: 127.0.0.1\n", deadline.Token))
        await using (var floor = await FloorProcess.StartAsync(folder, Url(nats), deadline.Token))
        await using (var platform = new LocalPlatform(folder, Ports.Any(), ""))
        {
            platform.Environment["IDENTITYD_WASMCLOUD_NATS_URL"] = Url(nats);
            platform.Environment["IDENTITYD_WASMCLOUD_POLICY_TOPIC"] = Topic;
            platform.Environment["IDENTITYD_WASMCLOUD_POLICY_CHANGES_TOPIC"] = Topic + ".changes";
            platform.Environment["IDENTITYD_AUTHZEN_LISTEN"] = "https://127.0.0.1:0";
            platform.Environment["IDENTITYD_ADMISSION_LISTEN"] = "127.0.0.1:0";
            platform.Environment["IDENTITYD_DECISION_CLIENT"] = Pep;
            var server = await platform.StartServerAsync(deadline.Token);
            var policy = Path.Combine(folder, "doors.yaml");
            await File.WriteAllTextAsync(policy, Policy, deadline.Token);
            await platform.IdentityAsync(deadline.Token, "apply", "-f", policy);
            await MeasureHostsAsync(table, nats.Port, server, floor).WaitAsync(deadline.Token);
            Console.WriteLine(table);
            await MeasureAuthZenAsync(table, platform, server, floor).WaitAsync(deadline.Token);
            await MeasureAdmissionAsync(table, server, floor).WaitAsync(deadline.Token);
            Console.WriteLine(table);
        }

        Directory.CreateDirectory(results);
        await File.WriteAllTextAsync(Path.Combine(results, Name + "-report-github.md"), table.ToString(), CancellationToken.None);
        Directory.Delete(folder, recursive: true);
    }

    private static async Task MeasureHostsAsync(Table table, int port, ManagedProcess server, FloorProcess floor)
    {
        var asking = await Task.WhenAll(Enumerable.Range(0, Hosts).Select(i => PolicyHost.StartAsync(port, Topic, null)));
        var echoing = await Task.WhenAll(Enumerable.Range(0, Hosts).Select(i => PolicyHost.StartAsync(port, FloorServer.EchoSubject, null)));
        var waited = Stopwatch.StartNew();
        while (await asking[0].AskRawAsync(Question(-1, "ghcr.io/acme/cart:1.2")) is null)
        {
            if (waited.Elapsed > TimeSpan.FromSeconds(30)) throw new InvalidOperationException($"the policy service does not answer. {server.LogEnd()}");
        }

        var number = 0;
        foreach (var (lanes, each) in ForHosts)
        {
            var how = How(lanes);
            await MeasureAsync(
                table,
                lanes,
                each,
                new Asked($"floor: a NATS request that is echoed, {how}", floor.Process, async lane => await echoing[lane % Hosts].AskRawAsync(Question(0, "ghcr.io/acme/cart:1.2")) is not null),
                new Asked($"wasmCloud v1: a no, {how}", server, lane => IsAnsweredAsync(lane, "docker.io/other/cart:1.2", isPermitted: false)),
                new Asked($"wasmCloud v1: a yes, on disk first, {how}", server, lane => IsAnsweredAsync(lane, "ghcr.io/acme/cart:1.2", isPermitted: true)));
        }

        foreach (var host in (PolicyHost[])[.. asking, .. echoing]) await host.DisposeAsync();

        // A host knows one answer that comes in time from another only by what it says: who is too late is refused.
        async Task<bool> IsAnsweredAsync(int lane, string image, bool isPermitted) =>
            await asking[lane % Hosts].AskRawAsync(Question(Interlocked.Increment(ref number), image, lane % Hosts)) is { } answer && answer.GetProperty("permitted").GetBoolean() == isPermitted;
    }

    // As a host of v1 asks before it starts a component, of which no two are alike.
    private static byte[] Question(int component, string image, int host = 0) => JsonSerializer.SerializeToUtf8Bytes(new
    {
        requestId = Guid.NewGuid().ToString(),
        kind = "startComponent",
        version = "v1",
        request = new
        {
            componentId = string.Create(CultureInfo.InvariantCulture, $"cart-{component}"),
            imageRef = image,
            maxInstances = 1,
            annotations = new Dictionary<string, string> { ["wasmcloud.dev/managed-by"] = "wadm" },
            claims = new { publicKey = "M", issuer = "A", issuedAt = "now", expiresAt = (string?)null, expired = false },
        },
        host = new { publicKey = string.Create(CultureInfo.InvariantCulture, $"NHOST{host}"), lattice = "default", labels = new Dictionary<string, string> { ["hostcore.os"] = "linux" } },
    });

    private static async Task MeasureAuthZenAsync(Table table, LocalPlatform platform, ManagedProcess server, FloorProcess floor)
    {
        const string Evaluation = """
            {"subject":{"type":"component","id":"spiffe://example.org/cart"},"action":{"name":"connect"},"resource":{"type":"capability","id":"api.example.com:443"}}
            """;
        var folder = Path.Combine(platform.Folder, "pep");
        await platform.IdentityAsync(default, "mint", "x509", Pep, "--output-dir", folder);
        var chain = new X509Certificate2Collection();
        chain.ImportFromPemFile(Path.Combine(folder, "svid.pem"));
        using var leaf = X509Certificate2.CreateFromPemFile(Path.Combine(folder, "svid.pem"), Path.Combine(folder, "svid.key"));
        chain.RemoveAt(0);
        using var pep = Client(Address(server, "authzen="), SslStreamCertificateContext.Create(leaf, chain, offline: true));
        await MeasureHttpAsync(table, "AuthZEN evaluation", server, floor, pep, "/access/v1/evaluation", () => Evaluation, answer => answer.GetProperty("decision").GetBoolean());
    }

    private static async Task MeasureAdmissionAsync(Table table, ManagedProcess server, FloorProcess floor)
    {
        var sample = AdmissionSamples.Of("Workload").With("request.name", "\"NAME\"").With("request.object.metadata.name", "\"NAME\"");
        var number = 0;
        using var api = Client(Address(server, "admission="), null);
        await MeasureHttpAsync(
            table,
            "admission of a workload, on disk first",
            server,
            floor,
            api,
            "/validate?timeout=10s",
            () => sample.Replace("NAME", string.Create(CultureInfo.InvariantCulture, $"cart-{Interlocked.Increment(ref number)}"), StringComparison.Ordinal),
            answer => answer.GetProperty("response").GetProperty("allowed").GetBoolean());
    }

    private static async Task MeasureHttpAsync(
        Table table, string name, ManagedProcess server, FloorProcess floor, HttpClient door, string path, Func<string> body, Func<JsonElement, bool> isYes)
    {
        using var bare = Client(floor.Tls, null);
        var (_, first) = await PostAsync(door, path, body());
        var floorPath = string.Create(CultureInfo.InvariantCulture, $"{FloorServer.AnswerPath}?bytes={first.Length}");
        foreach (var (lanes, each) in ForHttp)
        {
            var how = How(lanes);
            await MeasureAsync(
                table,
                lanes,
                each,
                new Asked($"floor: {body().Length} bytes posted, {first.Length} answered, {how}", floor.Process, async _ => (await PostAsync(bare, floorPath, body())).Status == HttpStatusCode.OK),
                new Asked($"{name}, {how}", server, async _ =>
                {
                    var (status, answer) = await PostAsync(door, path, body());
                    if (status != HttpStatusCode.OK) return false;
                    using var read = JsonDocument.Parse(answer);
                    return isYes(read.RootElement);
                }));
        }
    }

    private static async Task<(HttpStatusCode Status, byte[] Answer)> PostAsync(HttpClient client, string path, string body)
    {
        using var content = new StringContent(body, Encoding.UTF8, new MediaTypeHeaderValue("application/json"));
        using var response = await client.PostAsync(new Uri(path, UriKind.Relative), content);
        return (response.StatusCode, await response.Content.ReadAsByteArrayAsync());
    }

    // Each side asks in its turn, so that a slow minute of the machine is of all of them.
    private static async Task MeasureAsync(Table table, int lanes, int each, params Asked[] sides)
    {
        var taken = sides.Select(_ => new Taken()).ToArray();
        for (var turn = -WarmTurns; turn < Turns; turn++)
        {
            foreach (var (side, times) in sides.Zip(taken)) await AskAsync(side, turn < 0 ? new Taken() : times, lanes, each);
        }

        foreach (var (side, times) in sides.Zip(taken))
        {
            var count = times.Milliseconds.Count + times.Others;
            table.Add(
                side.Name,
                times.Milliseconds,
                string.Create(CultureInfo.InvariantCulture, $"{count / times.Elapsed.TotalSeconds:F0}/s"),
                string.Create(CultureInfo.InvariantCulture, $"{Table.Percentile(times.Milliseconds, 50) / Table.Percentile(taken[0].Milliseconds, 50):F2}"),
                string.Create(CultureInfo.InvariantCulture, $"{times.Others} of {count}"),
                string.Create(CultureInfo.InvariantCulture, $"{times.Cpu.TotalMicroseconds / count:F0} µs"));
        }
    }

    private static async Task AskAsync(Asked side, Taken taken, int lanes, int each)
    {
        var cpu = ProcessUsage.Cpu(side.Process.Id);
        var started = Stopwatch.GetTimestamp();
        var answers = await Task.WhenAll(Enumerable.Range(0, lanes).Select(async lane =>
        {
            var mine = new List<(bool IsRight, double Milliseconds)>(each);
            for (var i = 0; i < each; i++)
            {
                var at = Stopwatch.GetTimestamp();
                var isRight = await side.AskAsync(lane);
                mine.Add((isRight, Stopwatch.GetElapsedTime(at).TotalMilliseconds));
            }

            return mine;
        }));
        taken.Elapsed += Stopwatch.GetElapsedTime(started);
        taken.Cpu += ProcessUsage.Cpu(side.Process.Id) - cpu;
        var all = answers.SelectMany(mine => mine).ToList();
        taken.Milliseconds.AddRange(all.Where(answer => answer.IsRight).Select(answer => answer.Milliseconds));
        taken.Others += all.Count(answer => !answer.IsRight);
    }

    private static string How(int lanes) => lanes == 1 ? "one after another" : string.Create(CultureInfo.InvariantCulture, $"{lanes} at once");

    private static string Url(NatsServerProcess nats) => string.Create(CultureInfo.InvariantCulture, $"nats://127.0.0.1:{nats.Port}");

    private static IPEndPoint Address(ManagedProcess server, string door) =>
        IPEndPoint.Parse(server.Lines().SelectMany(line => line.Split(' ')).First(word => word.StartsWith(door, StringComparison.Ordinal))[door.Length..]);

    // One connection, as an API server has to a webhook. Whom it talks to is not what is measured.
    private static HttpClient Client(IPEndPoint server, SslStreamCertificateContext? client) =>
        new(new SocketsHttpHandler { SslOptions = new SslClientAuthenticationOptions { ClientCertificateContext = client, RemoteCertificateValidationCallback = (_, shown, _, _) => shown is not null } })
        {
            BaseAddress = new Uri($"https://{server}"),
            DefaultRequestVersion = HttpVersion.Version20,
            DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };

    /// <param name="Process">Who answers.</param>
    /// <param name="AskAsync">Whether the answer was what it should be.</param>
    private sealed record Asked(string Name, ManagedProcess Process, Func<int, Task<bool>> AskAsync);

    private sealed class Taken
    {
        /// <summary>Of every right answer.</summary>
        public List<double> Milliseconds { get; } = [];

        /// <summary>Refused for lateness, or not answered within the asker's patience.</summary>
        public int Others { get; set; }

        public TimeSpan Elapsed { get; set; }

        public TimeSpan Cpu { get; set; }
    }
}
