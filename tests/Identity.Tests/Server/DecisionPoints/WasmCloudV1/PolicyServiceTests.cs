// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using System.Text;
using Identity.Server.DecisionPoints.WasmCloudV1;
using Identity.Testing.Nats;
using Microsoft.Extensions.DependencyInjection;
using NATS.Client.Core;

namespace Identity.Tests.Server.DecisionPoints.WasmCloudV1;

/// <summary>The v1 policy service over a real nats-server, asked by what asks in a v1 host.</summary>
public sealed class PolicyServiceTests : IAsyncLifetime
{
    private const string Topic = "wasmcloud.policy";
    private const string Changes = "wasmcloud.policy.changes";
    private const string Image = "ghcr.io/acme/cart:1.2";

    private const string Policy = """
        kind: CapabilityPolicy
        name: lattice
        rules:
          - name: cart
            effect: permit
            subjects: [{ spiffeId: "spiffe://example.org/wasmcloud/default/cart", lattice: default, imagePrefix: ghcr.io/acme }]
            capabilities:
              - start
              - export: "wasi:http/incoming-handler@0.2.0#handle"
          - name: server
            effect: permit
            subjects: [{ spiffeId: "spiffe://example.org/wasmcloud/default/provider/http-server" }]
            capabilities: [start]
        """;

    private static readonly string Turned = Policy.Replace("effect: permit", "effect: forbid", StringComparison.Ordinal);

    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(20);

    private NatsServerProcess _nats = null!;

    public async ValueTask InitializeAsync() => _nats = await NatsServerProcess.StartAsync(NatsServerBinary.Newest, "port: -1\nhost: 127.0.0.1\n");

    public ValueTask DisposeAsync() => _nats.DisposeAsync();

    [Fact]
    public async Task Permits_what_policy_grants_and_denies_the_rest_with_a_reason()
    {
        await using var world = await StartAsync(Policy);
        await using var host = await PolicyHost.StartAsync(_nats.Port, Topic, Changes);
        Assert.True((await host.ScaleAsync("cart", Image, 5))!.Value.Permitted);
        Assert.True((await host.StartProviderAsync("http-server", "ghcr.io/wasmcloud/http-server:0.23.0"))!.Value.Permitted);
        Assert.True((await host.InvokeAsync("cart", Image, "wasi:http/incoming-handler@0.2.0", "handle"))!.Value.Permitted);

        await DeniedAsync(host.ScaleAsync("other", Image, 1), "no rule");
        await DeniedAsync(host.ScaleAsync("cart", "docker.io/evil/cart:1", 1), "no rule");
        await DeniedAsync(host.ScaleAsync("cart", "file:///tmp/cart.wasm", 1), "no rule");
        await DeniedAsync(host.StartProviderAsync("cart2", Image), "no rule");

        // Of one name, but not one thing: what a component may do is nothing a provider may, nor the other way round.
        await DeniedAsync(host.StartProviderAsync("cart", Image), "no rule");
        await DeniedAsync(host.ScaleAsync("http-server", "ghcr.io/wasmcloud/http-server:0.23.0", 1), "no rule");
        await DeniedAsync(host.InvokeAsync("cart", Image, "wasi:http/incoming-handler@0.2.0", "other"), "no rule");
        await DeniedAsync(host.InvokeAsync("cart", Image, "wasi:http/incoming-handler@0.3.0", "handle"), "no rule");
        await DeniedAsync(host.InvokeAsync("cart", Image, "no interface", "handle"), "not the interface and the function");
        await DeniedAsync(host.InvokeAsync("cart", Image, "wasi:http/incoming-handler@0.2.0", "a b"), "not the interface and the function");
        await DeniedAsync(host.ScaleAsync("a/b", Image, 1), "cannot be part of a SPIFFE ID");
        await DeniedAsync(host.ScaleAsync("..", Image, 1), "SPIFFE ID");
        await DeniedAsync(host.AskUnknownAsync(), "kind of request is not one");
        await using var elsewhere = await PolicyHost.StartAsync(_nats.Port, Topic, null, lattice: "other");
        await DeniedAsync(elsewhere.ScaleAsync("cart", Image, 1), "no rule");

        async Task DeniedAsync(Task<(bool Permitted, string? Message)?> asked, string reason)
        {
            var (permitted, message) = (await asked)!.Value;
            Assert.False(permitted);
            Assert.Contains(reason, message, StringComparison.Ordinal);
            var decision = world.DecisionIn(message!);
            Assert.Equal(("wasmcloud-policy-service", false), (decision.Door, decision.Allowed));
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("[]")]
    [InlineData("null")]
    [InlineData("""{"requestId":"r-1"}""")]
    [InlineData("""{"requestId":"r-1","requestId":"r-2","kind":"startComponent","version":"v1","request":{},"host":{}}""")]
    [InlineData("""{"requestId":"r-1","kind":"startComponent","version":"v2","request":{"componentId":"cart","imageRef":"ghcr.io/acme/cart:1.2","maxInstances":1},"host":{"publicKey":"N","lattice":"default"}}""")]
    [InlineData("""{"requestId":"r-1","kind":"startComponent","version":"v1","request":{"componentId":"cart","imageRef":"ghcr.io/acme/cart:1.2"},"host":{"publicKey":"N","lattice":"default"}}""")]
    public async Task Refuses_a_malformed_request_inside_the_hosts_second(string body)
    {
        await using var world = await StartAsync(Policy);
        await using var host = await PolicyHost.StartAsync(_nats.Port, Topic, null);
        var reply = (await host.AskRawAsync(Encoding.UTF8.GetBytes(body)))!.Value;
        Assert.False(reply.GetProperty("permitted").GetBoolean());
        Assert.Equal(body.Contains("r-2", StringComparison.Ordinal) || !body.Contains("r-1", StringComparison.Ordinal) ? "" : "r-1", reply.GetProperty("requestId").GetString());
    }

    [Fact]
    public async Task Answers_each_of_a_flood_of_a_thousand()
    {
        await using var world = await StartAsync(Policy);
        // How long a thousand at once take depends on what else the machine does, and is not what is asked here.
        await using var host = await PolicyHost.StartAsync(_nats.Port, Topic, null, policyTimeout: Deadline);
        var answers = await Task.WhenAll(Enumerable.Range(0, 1000).Select(at => host.ScaleAsync($"c{at}", Image, 1)));
        Assert.All(answers, answer => Assert.False(answer!.Value.Permitted));
    }

    [Fact]
    public async Task A_change_of_policy_is_told_to_hosts_that_would_never_ask_again()
    {
        await using var world = await StartAsync(Policy);
        await using var host = await PolicyHost.StartAsync(_nats.Port, Topic, Changes);
        Assert.True((await host.ScaleAsync("cart", Image, 5))!.Value.Permitted);
        Assert.False((await host.ScaleAsync("other", Image, 5))!.Value.Permitted);
        await RememberedAsync(world, 2);

        await world.ApplyAsync(Turned);
        Assert.False((await host.Changes.ReadAsync().AsTask().WaitAsync(Deadline)).Permitted);
        var (permitted, message) = (await host.ScaleAsync("cart", Image, 5))!.Value;
        Assert.False(permitted);
        Assert.False(world.DecisionIn(message!).Allowed);

        await world.ApplyAsync(Policy);
        await WaitAsync(host, permitted: true);
        Assert.True((await host.ScaleAsync("cart", Image, 5))!.Value.Permitted);
        Assert.Equal(2, host.Asked);
    }

    [Fact]
    public async Task The_end_of_a_grant_is_told_as_well()
    {
        await using var world = await StartAsync(Policy.Replace(
            "  - name: cart\n    effect: permit",
            $"  - name: cart\n    effect: permit\n    expires: {TimeProvider.System.GetUtcNow().AddMinutes(10):yyyy-MM-ddTHH:mm:ssZ}\n    reason: for a while",
            StringComparison.Ordinal));
        await using var host = await PolicyHost.StartAsync(_nats.Port, Topic, Changes);
        Assert.True((await host.ScaleAsync("cart", Image, 5))!.Value.Permitted);
        await RememberedAsync(world, 1);
        world.Server.Time.Shift = TimeSpan.FromMinutes(11);
        Assert.False((await host.Changes.ReadAsync().AsTask().WaitAsync(Deadline)).Permitted);
    }

    [Fact]
    public async Task What_may_run_may_be_stopped_and_the_yes_to_that_is_no_yes_to_start()
    {
        await using var world = await StartAsync(Policy);
        await using var host = await PolicyHost.StartAsync(_nats.Port, Topic, Changes);
        Assert.True((await host.ScaleAsync("cart", Image, 5))!.Value.Permitted);
        await RememberedAsync(world, 1);

        // component.update put another image in place, which no policy check sees. It must be possible to stop it.
        const string Updated = "docker.io/evil/cart:2";
        var (permitted, message) = (await host.ScaleAsync("cart", Updated, 0))!.Value;
        Assert.True(permitted);
        Assert.Contains("to stop only", message, StringComparison.Ordinal);
        Assert.False((await host.Changes.ReadAsync().AsTask().WaitAsync(Deadline)).Permitted);
        Assert.False((await host.ScaleAsync("cart", Updated, 5))!.Value.Permitted);
    }

    [Fact]
    public async Task What_was_never_permitted_cannot_be_stopped_into_permission()
    {
        await using var world = await StartAsync(Policy);
        await using var host = await PolicyHost.StartAsync(_nats.Port, Topic, Changes);
        Assert.False((await host.ScaleAsync("other", Image, 0))!.Value.Permitted);
        Assert.True((await host.ScaleAsync("cart", Image, 5))!.Value.Permitted);
        await RememberedAsync(world, 2);
        await using var another = await PolicyHost.StartAsync(_nats.Port, Topic, Changes, key: "NOTHER");
        Assert.False((await another.ScaleAsync("cart", "docker.io/evil/cart:2", 0))!.Value.Permitted);
    }

    [Theory]
    [InlineData(Changes)]
    [InlineData("wasmcloud.policy.changes.more")]
    [InlineData("runtime.host.h1.workload.start")]
    [InlineData("anything.else")]
    public async Task Publishes_nothing_where_no_inbox_is(string replyTo)
    {
        await using var world = await StartAsync(Policy);
        await using var connection = new NatsConnection(NatsOpts.Default with { Url = $"nats://127.0.0.1:{_nats.Port}" });
        await using var everything = await connection.SubscribeCoreAsync<byte[]>(">");
        await connection.PingAsync();
        var request = $$$"""{"requestId":"r-1","kind":"startComponent","version":"v1","request":{"componentId":"cart","imageRef":"{{{Image}}}","maxInstances":1},"host":{"publicKey":"N","lattice":"default"}}""";
        await connection.PublishAsync(Topic, Encoding.UTF8.GetBytes(request), replyTo: replyTo);
        await connection.PublishAsync(Topic, Encoding.UTF8.GetBytes(request.Replace("r-1", "r-2", StringComparison.Ordinal)), replyTo: "_INBOX.test");
        var seen = new List<string>();
        do
        {
            seen.Add((await everything.Msgs.ReadAsync().AsTask().WaitAsync(Deadline)).Subject);
        }
        while (seen[^1] != "_INBOX.test");
        Assert.Equal([Topic, Topic, "_INBOX.test"], seen);
    }

    [Fact]
    public async Task News_are_told_again_over_a_new_connection_for_the_one_before_may_have_swallowed_them()
    {
        await using var cable = new Cable(_nats.Port);
        await using var world = await StartAsync(Policy, cable.Port);
        await using var host = await PolicyHost.StartAsync(_nats.Port, Topic, Changes);
        Assert.True((await host.ScaleAsync("cart", Image, 5))!.Value.Permitted);
        await RememberedAsync(world, 1);
        await world.ApplyAsync(Turned);
        Assert.False((await host.Changes.ReadAsync().AsTask().WaitAsync(Deadline)).Permitted);
        Assert.False((await host.Changes.ReadAsync().AsTask().WaitAsync(Deadline)).Permitted); // once more a second later
        Assert.False(host.Changes.TryRead(out _));
        cable.Cut();
        Assert.False((await host.Changes.ReadAsync().AsTask().WaitAsync(Deadline)).Permitted);
    }

    [Fact]
    public async Task Who_asks_in_a_hosts_name_ends_nothing_that_it_was_permitted_and_is_refused_when_its_share_is_full()
    {
        await using var world = await StartAsync(Policy.Replace("#handle", "", StringComparison.Ordinal));
        await using var host = await PolicyHost.StartAsync(_nats.Port, Topic, Changes, key: "NMINE", policyTimeout: Deadline);
        await using var flood = await PolicyHost.StartAsync(_nats.Port, Topic, Changes, key: "NMINE", policyTimeout: Deadline);
        await using var other = await PolicyHost.StartAsync(_nats.Port, Topic, Changes, key: "NOTHER", policyTimeout: Deadline);
        Assert.True((await host.ScaleAsync("cart", Image, 5))!.Value.Permitted);
        await RememberedAsync(world, 1);

        // Nine tenths of five thousand, and a tenth is for noes.
        const int Yeses = 4500;
        for (var at = 1; at < Yeses; at += 250)
        {
            var answers = await Task.WhenAll(Enumerable.Range(at, Math.Min(250, Yeses - at)).Select(one => flood.InvokeAsync("cart", Image, "wasi:http/incoming-handler@0.2.0", $"f{one}")));
            Assert.All(answers, answer => Assert.True(answer!.Value.Permitted));
        }

        await RememberedAsync(world, Yeses);
        var (permitted, message) = (await flood.InvokeAsync("cart", Image, "wasi:http/incoming-handler@0.2.0", "more"))!.Value;
        Assert.False(permitted);
        Assert.Contains("as many yeses out as are kept track of", message, StringComparison.Ordinal);
        Assert.False(world.DecisionIn(message!).Allowed);

        // Nobody was told anything, what runs may be stopped, and the other host does not notice.
        Assert.True((await host.ScaleAsync("cart", "ghcr.io/acme/cart:updated", 0))!.Value.Permitted);
        Assert.False((await host.Changes.ReadAsync().AsTask().WaitAsync(Deadline)).Permitted);
        Assert.True((await host.ScaleAsync("cart", Image, 5))!.Value.Permitted);
        Assert.False(flood.Changes.TryRead(out _));
        Assert.True((await other.ScaleAsync("cart", Image, 5))!.Value.Permitted);
        await RememberedAsync(world, Yeses + 3);

        await world.ApplyAsync(Turned);
        Assert.False((await other.Changes.ReadAsync().AsTask().WaitAsync(Deadline)).Permitted);
        Assert.False((await other.ScaleAsync("cart", Image, 5))!.Value.Permitted);
        await UntilAsync(async () => !(await host.ScaleAsync("cart", Image, 5))!.Value.Permitted);
    }

    [Fact]
    public async Task Two_replicas_answer_once()
    {
        await using var one = await StartAsync(Policy);
        await using var other = await StartAsync(Policy);
        await using var connection = new NatsConnection(NatsOpts.Default with { Url = $"nats://127.0.0.1:{_nats.Port}" });
        await using var inbox = await connection.SubscribeCoreAsync<byte[]>("_INBOX.test");
        await connection.PublishAsync(Topic, "{}"u8.ToArray(), replyTo: "_INBOX.test");
        await inbox.Msgs.ReadAsync().AsTask().WaitAsync(Deadline);
        await connection.PublishAsync(Topic, """{"requestId":"last"}"""u8.ToArray(), replyTo: "_INBOX.test");
        Assert.Contains("last", Encoding.UTF8.GetString((await inbox.Msgs.ReadAsync().AsTask().WaitAsync(Deadline)).Data!), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Serves_again_after_its_nats_server_came_back()
    {
        await using var world = await StartAsync(Policy);
        var port = _nats.Port;
        await _nats.DisposeAsync();
        await UntilAsync(() => world.Server.Services.GetRequiredService<PolicyService>().Problem is not null);
        _nats = await NatsServerProcess.StartAsync(NatsServerBinary.Newest, $"port: {port}\nhost: 127.0.0.1\n");
        await UntilAsync(() => world.Server.Services.GetRequiredService<PolicyService>().Problem is null);
        await using var host = await PolicyHost.StartAsync(port, Topic, null);
        (bool Permitted, string? Message)? answer = null;
        await UntilAsync(async () => (answer = await host.ScaleAsync("cart", Image, 1)) is not null);
        Assert.True(answer!.Value.Permitted);
    }

    private async Task<DecisionWorld> StartAsync(string policy, int? port = null)
    {
        var world = await DecisionWorld.StartAsync(
            policy, ("wasmcloud-nats-url", $"nats://127.0.0.1:{port ?? _nats.Port}"), ("wasmcloud-policy-topic", Topic), ("wasmcloud-policy-changes-topic", Changes));
        await UntilAsync(() => world.Server.Services.GetRequiredService<PolicyService>().Problem is null);
        return world;
    }

    private static Task RememberedAsync(DecisionWorld world, int count) =>
        UntilAsync(() => world.Server.Services.GetRequiredService<GivenAnswers>().Count >= count);

    private static async Task WaitAsync(PolicyHost host, bool permitted)
    {
        while ((await host.Changes.ReadAsync().AsTask().WaitAsync(Deadline)).Permitted != permitted)
        {
            // A repetition of what was told before.
        }
    }

    private static Task UntilAsync(Func<bool> isSo) => UntilAsync(() => Task.FromResult(isSo()));

    private static async Task UntilAsync(Func<Task<bool>> isSo)
    {
        using var deadline = new CancellationTokenSource(Deadline);
        while (!await isSo()) await Task.Delay(20, deadline.Token);
    }
}
