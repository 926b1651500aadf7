// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using Identity.Server.DecisionPoints.WasmCloudV1;
using Identity.Testing.Nats;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Server.DecisionPoints.WasmCloudV1;

/// <summary>
/// Questions whose turn comes too late for a v1 host, which waits one second: the server's clock jumps by 800 ms at every reading, as if it had been kept
/// that long between taking a question and turning to it.
/// </summary>
public sealed class LateAnswersTests : IAsyncLifetime
{
    private const string Topic = "wasmcloud.policy";
    private const string Changes = "wasmcloud.policy.changes";
    private const string Image = "ghcr.io/acme/cart:1.2";
    private const string NoTime = "there was no time to decide";

    private const string Policy = """
        kind: CapabilityPolicy
        name: lattice
        rules:
          - name: cart
            effect: permit
            subjects: [{ spiffeId: "spiffe://example.org/wasmcloud/default/cart", imagePrefix: ghcr.io/acme }]
            capabilities: [start]
        """;

    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(20);

    private static readonly TimeSpan Late = PolicyService.MaxAge + TimeSpan.FromMilliseconds(100);

    private NatsServerProcess _nats = null!;

    public async ValueTask InitializeAsync() => _nats = await NatsServerProcess.StartAsync(NatsServerBinary.Newest, "port: -1\nhost: 127.0.0.1\n");

    public ValueTask DisposeAsync() => _nats.DisposeAsync();

    [Fact]
    public async Task A_question_that_has_waited_too_long_is_refused_in_its_second_and_the_true_answer_follows()
    {
        await using var world = await StartAsync(("wasmcloud-policy-changes-topic", Changes));
        await using var host = await PolicyHost.StartAsync(_nats.Port, Topic, Changes);
        Assert.True(PolicyService.MaxAge < host.PolicyTimeout);

        world.Server.Time.Jump = Late;
        var (permitted, message) = (await host.ScaleAsync("cart", Image, 1))!.Value;
        world.Server.Time.Jump = TimeSpan.Zero;

        Assert.False(permitted);
        Assert.StartsWith(NoTime, message, StringComparison.Ordinal);
        Assert.True((await host.Changes.ReadAsync().AsTask().WaitAsync(Deadline)).Permitted);
        Assert.True((await host.ScaleAsync("cart", Image, 1))!.Value.Permitted);
        Assert.Equal(1, host.Asked);
    }

    [Fact]
    public async Task Nothing_of_a_flood_is_decided_too_late_and_each_is_answered()
    {
        await using var world = await StartAsync(("wasmcloud-policy-changes-topic", Changes));
        // How long so many take depends on what else the machine does; the clock that counts here is the server's.
        await using var host = await PolicyHost.StartAsync(_nats.Port, Topic, Changes, policyTimeout: Deadline);

        world.Server.Time.Jump = Late;
        var answers = await Task.WhenAll(Enumerable.Range(0, 300).Select(at => host.ScaleAsync(at % 2 == 0 ? "cart" : "other", $"ghcr.io/acme/cart:{at}", 1)));
        world.Server.Time.Jump = TimeSpan.Zero;

        Assert.All(answers, answer => Assert.StartsWith(NoTime, answer!.Value.Message, StringComparison.Ordinal));
        Assert.All(answers, answer => Assert.False(answer!.Value.Permitted));
        var told = new HashSet<string>(StringComparer.Ordinal);
        while (told.Count < 150)
        {
            var (question, permitted) = await host.Changes.ReadAsync().AsTask().WaitAsync(Deadline);
            Assert.True(permitted);
            told.Add(question);
        }

        Assert.False((await host.ScaleAsync("other", "ghcr.io/acme/cart:1", 1))!.Value.Permitted);
    }

    [Fact]
    public async Task Without_a_topic_to_correct_it_on_a_late_no_is_not_given_for_the_host_would_keep_it()
    {
        await using var world = await StartAsync();
        await using var host = await PolicyHost.StartAsync(_nats.Port, Topic, null);
        world.Server.Time.Jump = Late;
        Assert.Null(await host.ScaleAsync("cart", Image, 1));
        world.Server.Time.Jump = TimeSpan.Zero;
        (bool Permitted, string? Message)? answer = null;
        await UntilAsync(async () => (answer = await host.ScaleAsync("cart", Image, 1)) is not null);
        Assert.True(answer!.Value.Permitted);
    }

    private async Task<DecisionWorld> StartAsync(params (string, string)[] more)
    {
        var world = await DecisionWorld.StartAsync(Policy, [("wasmcloud-nats-url", $"nats://127.0.0.1:{_nats.Port}"), ("wasmcloud-policy-topic", Topic), .. more]);
        await UntilAsync(() => Task.FromResult(world.Server.Services.GetRequiredService<PolicyService>().Problem is null));
        return world;
    }

    private static async Task UntilAsync(Func<Task<bool>> isSo)
    {
        using var deadline = new CancellationTokenSource(Deadline);
        while (!await isSo()) await Task.Delay(20, deadline.Token);
    }
}
