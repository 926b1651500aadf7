// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using System.Text;
using Identity.Server.DecisionPoints.WasmCloudV1;
using Identity.Testing.Nats;
using Microsoft.Data.Sqlite;
using NATS.Client.Core;

namespace Identity.Tests.Server.DecisionPoints.WasmCloudV1;

/// <summary>A v1 host keeps a yes for as long as it lives, and identityd may be another process by the time that it ends.</summary>
public sealed class AnswersOutliveTheServerTests : IAsyncLifetime
{
    private const string Topic = "wasmcloud.policy";
    private const string Changes = "wasmcloud.policy.changes";
    private const string NoTime = "there was no time to decide";
    private const string Image = "ghcr.io/acme/cart:1.2";

    private const string Policy = """
        kind: CapabilityPolicy
        name: lattice
        rules:
          - name: cart
            effect: permit
            subjects: [{ spiffeId: "spiffe://example.org/wasmcloud/default/cart", lattice: default, imagePrefix: ghcr.io/acme }]
            capabilities: [start]
        """;

    private static readonly string Turned = Policy.Replace("effect: permit", "effect: forbid", StringComparison.Ordinal);

    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private NatsServerProcess _nats = null!;

    public async ValueTask InitializeAsync() => _nats = await NatsServerProcess.StartAsync(NatsServerBinary.Newest, "port: -1\nhost: 127.0.0.1\n");

    public ValueTask DisposeAsync() => _nats.DisposeAsync();

    [Fact]
    public async Task A_yes_that_policy_does_not_give_any_more_is_taken_back_at_once_after_a_restart()
    {
        await using var world = await StartAsync();
        await using var host = await PolicyHost.StartAsync(_nats.Port, Topic, Changes, policyTimeout: Deadline);
        await PermittedAsync(host, Image);

        // The change comes when nobody can tell it any more.
        await Door(world).StopAsync(CancellationToken.None);
        await world.ApplyAsync(Turned);
        await world.Server.RestartAsync();
        await ToldAsync(host, permitted: false);
        Assert.False((await host.ScaleAsync("cart", Image, 5))!.Value.Permitted);
    }

    [Fact]
    public async Task A_yes_that_policy_gives_still_is_nothing_new_after_a_restart_and_ends_with_policy_later()
    {
        await using var world = await StartAsync();
        await using var host = await PolicyHost.StartAsync(_nats.Port, Topic, Changes, policyTimeout: Deadline);
        await PermittedAsync(host, Image);
        await world.Server.RestartAsync();
        await ServesAsync(world);

        // A change that is tried sees what runs.
        var held = world.Server.Service<HeldAnswers>().Until(DateTimeOffset.MaxValue).Single();
        Assert.Equal(("spiffe://example.org/wasmcloud/default/cart", 1), (held.Claim.Principal.Id.ToString(), held.Count));

        await world.ApplyAsync(Turned);
        await ToldAsync(host, permitted: false);
        Assert.Equal(1, host.Asked);
    }

    [Fact]
    public async Task What_was_told_unasked_is_told_again_by_the_next_process_for_it_may_not_have_arrived()
    {
        await using var world = await StartAsync();
        await using var host = await PolicyHost.StartAsync(_nats.Port, Topic, Changes, policyTimeout: Deadline);
        await PermittedAsync(host, Image);
        await RememberedAsync(world, 1);
        await world.ApplyAsync(Turned);
        await ToldAsync(host, permitted: false);
        await ToldAsync(host, permitted: false); // once more a second later
        await world.Server.RestartAsync();
        await ToldAsync(host, permitted: false);

        await world.ApplyAsync(Policy);
        await ToldAsync(host, permitted: true);

        await world.Server.RestartAsync();
        await ToldAsync(host, permitted: true);
    }

    [Fact]
    public async Task A_yes_to_what_has_no_name_in_policy_any_more_is_taken_back()
    {
        await using var world = await StartAsync();
        await using var connection = new NatsConnection(NatsOpts.Default with { Url = $"nats://127.0.0.1:{_nats.Port}" });
        await using var news = await connection.SubscribeCoreAsync<byte[]>(Changes);
        await connection.PingAsync();
        Execute(world, "INSERT INTO answers VALUES ('r-1', 'StartComponent', 'no/lattice', 'N', 'cart', 'ghcr.io/acme/cart:1', 1, '', '', 1, 1, NULL)");
        await world.Server.RestartAsync();
        var told = Encoding.UTF8.GetString((await news.Msgs.ReadAsync().AsTask().WaitAsync(Deadline)).Data!);
        Assert.Contains("\"requestId\":\"r-1\",\"permitted\":false", told, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_yes_that_cannot_be_written_is_not_given_in_the_hosts_second_and_follows_when_it_can()
    {
        await using var world = await StartAsync();
        await using var host = await PolicyHost.StartAsync(_nats.Port, Topic, Changes, policyTimeout: Deadline);
        using (var connection = Connect(world))
        using (var holdsUp = connection.BeginTransaction(deferred: false))
        {
            var (permitted, message) = await DecidedAsync(host, "cart", Image);
            Assert.False(permitted);
            Assert.Contains("the yes cannot be kept", message, StringComparison.Ordinal);
            Assert.False(world.DecisionIn(message).Allowed);
            Assert.Empty(world.Server.Service<HeldAnswers>().Until(DateTimeOffset.MaxValue));

            // Who is denied is told so all the same.
            Assert.Contains("no rule", (await DecidedAsync(host, "other", Image)).Message, StringComparison.Ordinal);
        }

        await ToldAsync(host, permitted: true);
        await world.Server.RestartAsync();
        await ServesAsync(world);
        Assert.NotEmpty(world.Server.Service<HeldAnswers>().Until(DateTimeOffset.MaxValue));
    }

    [Fact]
    public async Task When_a_write_has_failed_no_yes_is_given_until_a_restart_and_what_is_out_can_be_taken_back()
    {
        await using var world = await StartAsync();
        await using var host = await PolicyHost.StartAsync(_nats.Port, Topic, Changes, policyTimeout: Deadline);
        await PermittedAsync(host, Image);
        await RememberedAsync(world, 1);
        Execute(world, "CREATE TRIGGER fault BEFORE INSERT ON answers BEGIN SELECT RAISE(ABORT, 'no'); END");
        for (var at = 0; at < 2; at++)
        {
            var (permitted, message) = await DecidedAsync(host, "cart", $"ghcr.io/acme/cart:{at}");
            Assert.False(permitted);
            Assert.Contains("the yes cannot be kept", message, StringComparison.Ordinal);
        }

        Assert.Contains("identityd must be restarted", Door(world).Problem, StringComparison.Ordinal);

        // To stop what runs is not held up by it, and is no yes to start.
        Assert.True((await host.ScaleAsync("cart", "docker.io/evil/cart:2", 0))!.Value.Permitted);
        await ToldAsync(host, permitted: false);

        await world.ApplyAsync(Turned);
        await UntilAsync(async () => !(await host.ScaleAsync("cart", Image, 5))!.Value.Permitted);
        Execute(world, "DROP TRIGGER fault");
        await world.Server.RestartAsync();
        await ServesAsync(world);
        await world.ApplyAsync(Policy);
        await PermittedAsync(host, "ghcr.io/acme/cart:new");
    }

    [Fact]
    public async Task Without_a_changes_topic_nobody_could_be_told_and_nothing_is_kept()
    {
        await using var world = await DecisionWorld.StartAsync(Policy, ("wasmcloud-nats-url", $"nats://127.0.0.1:{_nats.Port}"), ("wasmcloud-policy-topic", Topic));
        await ServesAsync(world);
        await using var host = await PolicyHost.StartAsync(_nats.Port, Topic, null, policyTimeout: Deadline);
        await PermittedAsync(host, Image);
        Assert.False(File.Exists(Path.Combine(world.Server.DataFolder, AnswerFile.Name)));
    }

    // On a machine that is busy the yes may not be decided, or on disk, in the host's second. The host is then told no, and the yes follows.
    private static async Task PermittedAsync(PolicyHost host, string image)
    {
        var (permitted, message) = (await host.ScaleAsync("cart", image, 5))!.Value;
        if (permitted) return;
        Assert.Matches($"the yes cannot be kept|{NoTime}", message!);
        await ToldAsync(host, permitted: true);
    }

    // Asks about one image after the other until the answer is a decision.
    private static async Task<(bool Permitted, string Message)> DecidedAsync(PolicyHost host, string id, string image)
    {
        using var deadline = new CancellationTokenSource(Deadline);
        for (var attempt = 0; ; attempt++)
        {
            deadline.Token.ThrowIfCancellationRequested();
            var (permitted, message) = (await host.ScaleAsync(id, attempt == 0 ? image : $"{image}-{attempt}", 5))!.Value;
            if (message?.Contains(NoTime, StringComparison.Ordinal) != true) return (permitted, message ?? "");
        }
    }

    // What was told before may be repeated meanwhile.
    private static async Task ToldAsync(PolicyHost host, bool permitted)
    {
        using var deadline = new CancellationTokenSource(Deadline);
        while ((await host.Changes.ReadAsync(deadline.Token)).Permitted != permitted)
        {
        }
    }

    private static PolicyService Door(DecisionWorld world) => world.Server.Service<PolicyService>();

    private static void Execute(DecisionWorld world, string text)
    {
        using var connection = Connect(world);
        using var command = connection.CreateCommand();
#pragma warning disable CA2100 // Only constants of this file come here.
        command.CommandText = text;
#pragma warning restore CA2100
        command.ExecuteNonQuery();
    }

    private static SqliteConnection Connect(DecisionWorld world)
    {
        var connection = new SqliteConnection($"Data Source={Path.Combine(world.Server.DataFolder, AnswerFile.Name)};Pooling=False");
        connection.Open();
        return connection;
    }

    private async Task<DecisionWorld> StartAsync()
    {
        var world = await DecisionWorld.StartAsync(
            Policy, ("wasmcloud-nats-url", $"nats://127.0.0.1:{_nats.Port}"), ("wasmcloud-policy-topic", Topic), ("wasmcloud-policy-changes-topic", Changes));
        await ServesAsync(world);
        return world;
    }

    private static Task ServesAsync(DecisionWorld world) => UntilAsync(() => Task.FromResult(Door(world).Problem is null));

    private static Task RememberedAsync(DecisionWorld world, int count) => UntilAsync(() => Task.FromResult(world.Server.Service<GivenAnswers>().Count >= count));

    private static async Task UntilAsync(Func<Task<bool>> isSo)
    {
        using var deadline = new CancellationTokenSource(Deadline);
        while (!await isSo()) await Task.Delay(20, deadline.Token);
    }
}
