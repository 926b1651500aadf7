// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using Identity.Server.Authority;
using Identity.Server.ComponentPolicy;
using Identity.Server.DecisionPoints;
using Identity.Server.DecisionPoints.WasmCloudV2;
using Identity.Testing.Nats;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging.Testing;
using NATS.Client.Core;
using Spiffe.Net;

namespace Identity.Tests.Server.DecisionPoints.WasmCloudV2;

/// <summary>The start interposer between an operator and a host of wasmCloud v2, on a nats-server whose accounts leave no way around it.</summary>
public sealed class StartInterposerTests : IAsyncLifetime
{
    // As docs/decision-points.md has it.
    private const string Accounts = """
        port: -1
        host: 127.0.0.1
        accounts {
          HOSTS { users: [{ user: host, password: host }], exports: [{ service: "runtime.host.>", accounts: [GATE] }] }
          GATE {
            users: [{ user: gate, password: gate }]
            exports: [{ service: "gate.runtime.host.>", accounts: [OPERATOR] }]
            imports: [{ service: { account: HOSTS, subject: "runtime.host.>" } }]
          }
          OPERATOR {
            users: [{ user: operator, password: operator }]
            imports: [{ service: { account: GATE, subject: "gate.runtime.host.>" }, to: "runtime.host.>" }]
          }
        }
        no_auth_user: gate
        """;

    private const string Policy = """
        kind: CapabilityPolicy
        name: shop
        rules:
          - name: cart
            effect: permit
            subjects: [{ namespace: shop, imagePrefix: ghcr.io/acme }]
            capabilities:
              - start
              - export: wasi:http/incoming-handler
              - connect: "api.example.com:*"
              - config: DB_PASSWORD
              - config: wasi/http/host
        """;

    private const string Start = """
        {"workload":{"namespace":"shop","name":"cart-x7k2-p9q1","annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{}"},
          "witWorld":{"components":[{"name":"http",  "image":"ghcr.io/acme/cart:1.2","imagePullSecret":{"username":"robot","password":"hunter2"},
             "localResources":{"allowedHosts":["https://api.example.com"],"environment":{"DB_PASSWORD":"hunter2"}}}],
            "hostInterfaces":[{"namespace":"wasi","package":"http","interfaces":["incoming-handler"],"config":{"host":"cart.example.com"}}]}},
         "workloadId":"2f6e0c1a-7d6d-4f4e-9f5e-0a1b2c3d4e5f"}
        """;

    private const string Id = "2f6e0c1a-7d6d-4f4e-9f5e-0a1b2c3d4e5f";

    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(20);

    private NatsServerProcess _nats = null!;

    public async ValueTask InitializeAsync() => _nats = await NatsServerProcess.StartAsync(NatsServerBinary.Newest, Accounts);

    public ValueTask DisposeAsync() => _nats.DisposeAsync();

    [Fact]
    public async Task Lets_through_what_policy_grants_byte_for_byte_and_the_answer_too()
    {
        await using var world = await StartAsync(Policy);
        await using var host = await Host.StartAsync(_nats.Port, "h1");
        await using var @operator = Connect("operator");
        var reply = await AskAsync(@operator, "h1", "workload.start", Start);
        Assert.Equal(Running("h1"), reply);
        Assert.Equal(Start, host.Received["workload.start"]);
    }

    [Fact]
    public async Task Passes_stop_status_and_heartbeat_untouched()
    {
        await using var world = await StartAsync(Policy);
        await using var host = await Host.StartAsync(_nats.Port, "h1");
        await using var @operator = Connect("operator");
        foreach (var (verb, body) in new[] { ("workload.stop", "{ \"workloadId\" : \"w\" }"), ("workload.status", $"{{\"workloadId\":\"{Id}\"}}"), ("heartbeat", "{}"), ("workload.status", "no JSON") })
        {
            Assert.Contains("by h1", await AskAsync(@operator, "h1", verb, body), StringComparison.Ordinal);
            Assert.Equal(body, host.Received[verb]);
        }
    }

    [Theory]
    [InlineData("workload.namespace", "\"other\"", "start")]
    [InlineData("workload.witWorld.components[0].image", "\"docker.io/evil/cart:1\"", "start")]
    [InlineData("workload.witWorld.components[0].localResources.allowedHosts", "[\"*\"]", "connect *:*")]
    [InlineData("workload.witWorld.components[0].localResources.allowedHosts", "[\"https://user:hunter2@db.example.com\"]", "allowedHosts[0] has an '@'")]
    [InlineData("workload.witWorld.components[0].localResources.environment", "{\"AWS_SECRET\":\"hunter2\"}", "config AWS_SECRET")]
    [InlineData("workload.volumes", "[{\"name\":\"root\",\"hostPath\":{\"localPath\":\"/\"}}]", "mount /")]
    [InlineData("workload.witWorld.hostInterfaces[0].interfaces", "[\"incoming-handler\",\"outgoing-handler\"]", "import wasi:http/outgoing-handler")]
    [InlineData("workload.surprise", "true", "'surprise' is not known")]
    [InlineData("workload.witWorld.components[0].name", "\"a b\"", "SPIFFE ID")]
    public async Task Refuses_in_the_hosts_name_and_answers_for_its_status_and_says_why(string path, string value, string reason)
    {
        await using var world = await StartAsync(Policy);
        await using var host = await Host.StartAsync(_nats.Port, "h1");
        await using var @operator = Connect("operator");
        await using var gate = Connect("gate");
        await using var refusals = await gate.SubscribeCoreAsync<byte[]>("identity.wasmcloud.refusals");
        await gate.PingAsync();

        var status = Status(await AskAsync(@operator, "h1", "workload.start", Start.With(path, value)));
        Assert.Equal((Id, "WORKLOAD_STATE_ERROR"), (status.GetProperty("workloadId").GetString(), status.GetProperty("workloadState").GetString()));
        var message = status.GetProperty("message").GetString()!;
        Assert.Contains(reason, message, StringComparison.Ordinal);
        var decision = world.DecisionIn(message);
        Assert.Equal(("wasmcloud-interposer", false), (decision.Door, decision.Allowed));

        // The operator takes any answer for success, and asks again.
        Assert.Equal("WORKLOAD_STATE_ERROR", Status(await AskAsync(@operator, "h1", "workload.status", $"{{\"workloadId\":\"{Id}\"}}")).GetProperty("workloadState").GetString());
        Assert.Empty(host.Received);

        var told = JsonDocument.Parse((await refusals.Msgs.ReadAsync().AsTask().WaitAsync(Deadline)).Data!).RootElement;
        Assert.Equal((decision.Id, Id, "h1"), (told.GetProperty("decisionId").GetString(), told.GetProperty("workloadId").GetString(), told.GetProperty("hostId").GetString()));
        Assert.DoesNotContain("hunter2", $"{message}{told}{decision}", StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("api.example.com:443", true)]
    [InlineData("https://api.example.com:443", false)]
    public async Task A_permit_of_one_port_is_not_one_of_the_port_that_a_host_drops(string entry, bool allowed)
    {
        await using var world = await StartAsync(Policy.Replace("api.example.com:*", "api.example.com:443", StringComparison.Ordinal));
        await using var host = await Host.StartAsync(_nats.Port, "h1");
        await using var @operator = Connect("operator");
        var reply = await AskAsync(@operator, "h1", "workload.start", Start.With("workload.witWorld.components[0].localResources.allowedHosts", $"[\"{entry}\"]"));
        Assert.Contains(allowed ? "by h1" : "connect api.example.com:*", reply, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_cannot_be_kept_is_refused_in_the_hosts_name_and_its_health_says_so()
    {
        await using var world = await StartAsync(Policy);
        await using var host = await Host.StartAsync(_nats.Port, "h1");
        await using var @operator = Connect("operator");
        await using var gate = Connect("gate");
        await using var refusals = await gate.SubscribeCoreAsync<byte[]>("identity.wasmcloud.refusals");
        await gate.PingAsync();
        Assert.Null(await BrokenFile.IllnessAsync(world, "wasmcloud-interposer"));
        BrokenFile.Break(world, "wasmcloud-workloads.db", "workloads");

        var status = Status(await AskAsync(@operator, "h1", "workload.start", Start));
        var message = status.GetProperty("message").GetString()!;
        Assert.Contains("policy permits it, but what is let through cannot be kept", message, StringComparison.Ordinal);
        Assert.False(world.DecisionIn(message).Allowed);
        Assert.Empty(host.Received);
        Assert.Equal("WORKLOAD_STATE_ERROR", Status(await AskAsync(@operator, "h1", "workload.status", $"{{\"workloadId\":\"{Id}\"}}")).GetProperty("workloadState").GetString());
        Assert.Contains("cannot be kept", Encoding.UTF8.GetString((await refusals.Msgs.ReadAsync().AsTask().WaitAsync(Deadline)).Data!), StringComparison.Ordinal);
        Assert.StartsWith("what is let through cannot be kept", await BrokenFile.IllnessAsync(world, "wasmcloud-interposer"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_workload_that_was_refused_may_start_once_policy_allows_it()
    {
        await using var world = await StartAsync(null);
        await using var host = await Host.StartAsync(_nats.Port, "h1");
        await using var @operator = Connect("operator");
        Assert.Contains("WORKLOAD_STATE_ERROR", await AskAsync(@operator, "h1", "workload.start", Start), StringComparison.Ordinal);
        await world.ApplyAsync(Policy);
        Assert.Contains("by h1", await AskAsync(@operator, "h1", "workload.start", Start), StringComparison.Ordinal);
        Assert.Contains("by h1", await AskAsync(@operator, "h1", "workload.status", $"{{\"workloadId\":\"{Id}\"}}"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_was_stopped_is_forgotten()
    {
        await using var world = await StartAsync(null);
        await using var host = await Host.StartAsync(_nats.Port, "h1");
        await using var @operator = Connect("operator");
        await AskAsync(@operator, "h1", "workload.start", Start);
        Assert.Contains("by h1", await AskAsync(@operator, "h1", "workload.stop", $"{{\"workloadId\":\"{Id}\"}}"), StringComparison.Ordinal);
        Assert.Contains("by h1", await AskAsync(@operator, "h1", "workload.status", $"{{\"workloadId\":\"{Id}\"}}"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("workload.start", "")]
    [InlineData("workload.start", "{")]
    [InlineData("workload.start", """{"workload":{}}""")]
    [InlineData("workload.start", """{"workloadId":"a.b","workload":{}}""")]
    [InlineData("workload.start", """{"workloadId":"a","workloadId":"b","workload":{}}""")]
    [InlineData("workload.migrate", "{}")]
    [InlineData("workload.start.now", "{}")]
    [InlineData("update", "{}")]
    public async Task Neither_answers_nor_forwards_what_it_cannot_understand(string verb, string body)
    {
        await using var world = await StartAsync(Policy);
        await using var host = await Host.StartAsync(_nats.Port, "h1");
        await using var @operator = Connect("operator");
        Assert.Null(await AskAsync(@operator, "h1", verb, body, TimeSpan.FromMilliseconds(700)));
        // What came after it has been handled, so it has been too.
        await AskAsync(@operator, "h1", "workload.start", Start);
        Assert.Equal(["workload.start"], host.Received.Keys);
        Assert.Equal(Start, host.Received["workload.start"]);
    }

    [Fact]
    public async Task A_malformed_start_with_an_id_is_refused_by_that_id()
    {
        await using var world = await StartAsync(Policy);
        await using var @operator = Connect("operator");
        var status = Status(await AskAsync(@operator, "h1", "workload.start", """{"workloadId":"w-1","workload":{"name":7}}"""));
        Assert.Equal(("w-1", "WORKLOAD_STATE_ERROR"), (status.GetProperty("workloadId").GetString(), status.GetProperty("workloadState").GetString()));
    }

    [Fact]
    public async Task A_host_that_is_not_there_is_no_answer_so_that_the_operator_tries_again()
    {
        await using var world = await StartAsync(Policy);
        await using var @operator = Connect("operator");
        Assert.Null(await AskAsync(@operator, "h1", "workload.start", Start, TimeSpan.FromSeconds(1)));
        await using var host = await Host.StartAsync(_nats.Port, "h1");
        Assert.Contains("by h1", await AskAsync(@operator, "h1", "workload.start", Start), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_host_that_is_slow_to_start_one_holds_up_no_other()
    {
        await using var world = await StartAsync(Policy);
        await using var slow = await Host.StartAsync(_nats.Port, "slow", answers: false);
        await using var host = await Host.StartAsync(_nats.Port, "h1");
        await using var @operator = Connect("operator");
        var waiting = Enumerable.Range(0, 40).Select(_ => AskAsync(@operator, "slow", "workload.start", Start, TimeSpan.FromSeconds(3))).ToList();
        Assert.Contains("by h1", await AskAsync(@operator, "h1", "workload.start", Start), StringComparison.Ordinal);
        Assert.Contains("by h1", await AskAsync(@operator, "h1", "workload.status", $"{{\"workloadId\":\"{Id}\"}}"), StringComparison.Ordinal);
        Assert.All(await Task.WhenAll(waiting), Assert.Null);
    }

    [Fact]
    public async Task A_host_that_hangs_fills_the_gate_for_no_other_however_much_it_is_sent()
    {
        await using var world = await StartAsync(Policy);
        await using var slow = await Host.StartAsync(_nats.Port, "slow", answers: false);
        await using var host = await Host.StartAsync(_nats.Port, "h1");
        await using var @operator = Connect("operator");
        var timeout = TimeSpan.FromSeconds(15);
        var waiting = Enumerable.Range(0, 200).SelectMany(_ => new[]
        {
            AskAsync(@operator, "slow", "workload.start", Start, timeout),
            AskAsync(@operator, "slow", "heartbeat", "{}", timeout),
        }).ToList();
        Assert.Contains("by h1", await AskAsync(@operator, "h1", "workload.start", Start, timeout), StringComparison.Ordinal);
        Assert.Contains("by h1", await AskAsync(@operator, "h1", "heartbeat", "{}", timeout), StringComparison.Ordinal);
        Assert.Equal(StartInterposer.MaxStartsOfOneHost, slow.Count("workload.start"));
        Assert.Equal(StartInterposer.MaxOthersOfOneHost, slow.Count("heartbeat"));
        Assert.All(await Task.WhenAll(waiting), Assert.Null);
    }

    [Theory]
    [InlineData("workload.stop", "STOPPING")]
    [InlineData("workload.stop", "NOT_FOUND")]
    [InlineData("workload.status", "NOT_FOUND")]
    [InlineData("workload.status", "COMPLETED")]
    public async Task Remembers_what_it_lets_through_until_its_host_says_that_it_does_not_run(string verb, string state)
    {
        await using var world = await StartAsync(Policy);
        await using var host = await Host.StartAsync(_nats.Port, "h1");
        await using var other = await Host.StartAsync(_nats.Port, "h2");
        other.State = "NOT_FOUND";
        await using var @operator = Connect("operator");
        var workloads = world.Server.Services.GetRequiredService<AllowedWorkloads>();
        await AskAsync(@operator, "h1", "workload.start", Start.With("workload.namespace", "\"other\""));
        Assert.Empty(workloads.Look().Known);

        await AskAsync(@operator, "h1", "workload.start", Start);
        var known = Assert.Single(workloads.Look().Known);
        Assert.Equal(("workload 'shop/cart-x7k2-p9q1'", 1L), (known.First.Text, known.Count));
        Assert.DoesNotContain("hunter2", string.Join(' ', known.Asks.Questions.SelectMany(question => question.Requests)), StringComparison.Ordinal);
        // Not what another host says of it, nor that it runs, or failed, or was asked about at all.
        foreach (var (at, ask, says) in new[] { ("h2", "workload.status", "NOT_FOUND"), ("h2", "workload.stop", "STOPPING"), ("h1", "workload.status", "RUNNING"), ("h1", "workload.status", "ERROR"), ("h1", "workload.stop", "ERROR") })
        {
            (at == "h1" ? host : other).State = says;
            await AskAsync(@operator, at, ask, $"{{\"workloadId\":\"{Id}\"}}");
            Assert.Single(workloads.Look().Known);
        }

        host.State = state;
        await AskAsync(@operator, "h1", verb, $"{{\"workloadId\":\"{Id}\"}}");
        await UntilAsync(() => Task.FromResult(workloads.Look().Known.Count == 0));
        Assert.Equal(0L, workloads.Look().Unknown);
    }

    [Fact]
    public async Task Knows_of_what_runs_that_it_did_not_let_through_itself_and_of_nothing_that_was_never_started()
    {
        await using var world = await StartAsync(Policy);
        await using var host = await Host.StartAsync(_nats.Port, "h1");
        await using var @operator = Connect("operator");
        var workloads = world.Server.Services.GetRequiredService<AllowedWorkloads>();
        await AskAsync(@operator, "h1", "workload.status", $"{{\"workloadId\":\"{Id}\"}}");
        await UntilAsync(() => Task.FromResult(workloads.Look() is { Unknown: 1, UnknownExample: $"workload '{Id}' on host 'h1'" }));
        Assert.Null(await AskAsync(@operator, "nobody", "workload.start", Start, TimeSpan.FromSeconds(1)));
        await UntilAsync(() => Task.FromResult(workloads.Look() is { Unknown: 1, Known.Count: 0 }));
        // Started again where it runs, it is known.
        await AskAsync(@operator, "h1", "workload.start", Start);
        await UntilAsync(() => Task.FromResult(workloads.Look() is { Unknown: 0, Known.Count: 1 }));
    }

    [Fact]
    public async Task The_accounts_leave_no_way_around_it()
    {
        await using var host = await Host.StartAsync(_nats.Port, "h1");
        await using var @operator = Connect("operator");
        Assert.Null(await AskAsync(@operator, "h1", "workload.start", Start, TimeSpan.FromSeconds(1)));
        Assert.Empty(host.Received);
    }

    [Fact]
    public async Task However_many_starts_are_refused_or_go_to_no_host_each_is_answered_for_and_few_are_logged()
    {
        await using var world = await DecisionWorld.StartAsync(Policy);
        var options = new WasmCloudOptions(
            new Uri($"nats://127.0.0.1:{_nats.Port}"), null, null, null, null, null, null, "gate.runtime.host", "runtime.host", "identity.wasmcloud.refusals");
        var log = new FakeLogger<StartInterposer>();
        var judge = new StartJudge(world.Server.Services.GetRequiredService<DecisionPoint>(), TrustDomain.Parse("example.org"));
        var workloads = new AllowedWorkloads(
            new AllowedWorkloadsOptions(DoorName.WasmCloudInterposer, IsProven: false, TimeSpan.FromDays(1), HearsEnds: false), new StageObservations(), TimeProvider.System);
        using var interposer = new StartInterposer(judge, new RefusedWorkloads(10), workloads, options, world.Server.Services.GetRequiredService<SigningAuthority>(), TimeProvider.System, log);
        await interposer.StartAsync(CancellationToken.None);
        await UntilAsync(() => Task.FromResult(interposer.Problem is null));
        await using var @operator = Connect("operator");

        var refused = await Task.WhenAll(Enumerable.Range(0, 100).Select(_ => AskAsync(@operator, "h1", "workload.start", Start.With("workload.namespace", "\"other\""))));
        Assert.All(refused, answer => Assert.Contains("refused by policy", answer, StringComparison.Ordinal));
        await Task.WhenAll(Enumerable.Range(0, 100).Select(at => AskAsync(@operator, $"nobody-{at}", "heartbeat", "{}", TimeSpan.FromSeconds(1))));
        await interposer.StopAsync(CancellationToken.None);

        var told = log.Collector.GetSnapshot();
        Assert.Equal(60, told.Count(record => record.Message.Contains("start was refused", StringComparison.Ordinal)));
        Assert.InRange(told.Count(record => record.Message.Contains("was not answered", StringComparison.Ordinal)), 1, 60);
    }

    [Fact]
    public async Task Its_health_has_a_name_of_its_own_and_is_not_the_servers()
    {
        await using var world = await DecisionWorld.StartAsync(Policy, ("wasmcloud-nats-url", "nats://127.0.0.1:1"), ("wasmcloud-gate-prefix", "gate.runtime.host"));
        var report = await world.Server.Services.GetRequiredService<HealthCheckService>().CheckHealthAsync();
        Assert.Equal(HealthStatus.Unhealthy, report.Entries["identity.v1.DecisionPoint.wasmcloud-interposer"].Status);
        var health = new global::Grpc.Health.V1.Health.HealthClient(world.Server.Admin);
        await UntilAsync(async () => (await health.CheckAsync(new global::Grpc.Health.V1.HealthCheckRequest())).Status == global::Grpc.Health.V1.HealthCheckResponse.Types.ServingStatus.Serving);
        await UntilAsync(async () => (await health.CheckAsync(new global::Grpc.Health.V1.HealthCheckRequest { Service = "identity.v1.DecisionPoint.wasmcloud-interposer" })).Status
            == global::Grpc.Health.V1.HealthCheckResponse.Types.ServingStatus.NotServing);
    }

    private async Task<DecisionWorld> StartAsync(string? policy)
    {
        var world = await DecisionWorld.StartAsync(policy, ("wasmcloud-nats-url", $"nats://127.0.0.1:{_nats.Port}"), ("wasmcloud-gate-prefix", "gate.runtime.host"));
        await UntilAsync(() => Task.FromResult(world.Server.Services.GetRequiredService<StartInterposer>().Problem is null));
        return world;
    }

    private NatsConnection Connect(string user) =>
        new(NatsOpts.Default with { Url = $"nats://127.0.0.1:{_nats.Port}", AuthOpts = new NatsAuthOpts { Username = user, Password = user } });

    private static async Task<string?> AskAsync(NatsConnection @operator, string hostId, string verb, string body, TimeSpan? timeout = null)
    {
        try
        {
            var reply = await @operator.RequestAsync<byte[], byte[]>(
                $"runtime.host.{hostId}.{verb}", Encoding.UTF8.GetBytes(body), replyOpts: new NatsSubOpts { Timeout = timeout ?? Deadline });
            return Encoding.UTF8.GetString(reply.Data ?? []);
        }
        catch (NatsException)
        {
            return null;
        }
    }

    private static string Running(string hostId, string state = "RUNNING") =>
        $"{{\"workloadStatus\":{{\"workloadId\":\"{Id}\",\"workloadState\":\"WORKLOAD_STATE_{state}\",\"message\":\"by {hostId}\"}}}}";

    private static JsonElement Status(string? reply) => JsonDocument.Parse(reply!).RootElement.GetProperty("workloadStatus");

    private static async Task UntilAsync(Func<Task<bool>> isSo)
    {
        using var deadline = new CancellationTokenSource(Deadline);
        while (!await isSo()) await Task.Delay(20, deadline.Token);
    }

    /// <summary>What a v2 host does with its subjects: takes everything below its id and answers.</summary>
    private sealed class Host : IAsyncDisposable
    {
        private readonly NatsConnection _connection;
        private readonly CancellationTokenSource _stop = new();
        private Task _serving = Task.CompletedTask;

        private Host(NatsConnection connection) => _connection = connection;

        /// <summary>The newest body by what stands behind the host's id.</summary>
        public ConcurrentDictionary<string, string> Received { get; } = new();

        private readonly ConcurrentDictionary<string, int> _counts = new();

        /// <summary>What it says of every workload.</summary>
        public string State { get; set; } = "RUNNING";

        public int Count(string verb) => _counts.GetValueOrDefault(verb);

        public static async Task<Host> StartAsync(int port, string id, bool answers = true)
        {
            var host = new Host(new NatsConnection(NatsOpts.Default with { Url = $"nats://127.0.0.1:{port}", AuthOpts = new NatsAuthOpts { Username = "host", Password = "host" } }));
            var subscription = await host._connection.SubscribeCoreAsync<byte[]>($"runtime.host.{id}.>");
            await host._connection.PingAsync();
            host._serving = host.ServeAsync(subscription, id, answers);
            return host;
        }

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            await _serving;
            await _connection.DisposeAsync();
            _stop.Dispose();
        }

        private async Task ServeAsync(INatsSub<byte[]> subscription, string id, bool answers)
        {
            try
            {
                await foreach (var message in subscription.Msgs.ReadAllAsync(_stop.Token))
                {
                    _counts.AddOrUpdate(message.Subject[$"runtime.host.{id}.".Length..], 1, (_, count) => count + 1);
                    Received[message.Subject[$"runtime.host.{id}.".Length..]] = Encoding.UTF8.GetString(message.Data ?? []);
                    if (answers) await message.ReplyAsync(Encoding.UTF8.GetBytes(Running(id, State)));
                }
            }
            catch (OperationCanceledException)
            {
                // The host ends.
            }
        }
    }
}
