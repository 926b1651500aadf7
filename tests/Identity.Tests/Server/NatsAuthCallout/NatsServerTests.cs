using System.Threading.Channels;
using Identity.Server.NatsAuthCallout;
using Identity.Testing.Nats;
using NATS.Client.Core;
using NATS.NKeys;
using Spiffe.Net;

namespace Identity.Tests.Server.NatsAuthCallout;

/// <summary>The room against real nats-servers, with the configuration it generates.</summary>
public sealed class NatsServerTests : IAsyncLifetime
{
    private static readonly TimeSpan Deadline = RunningCallout.Deadline;

    // The subscriber may not publish any more; the greeter may what it might.
    private const string Reduced = """
        kind: CapabilityPolicy
        name: nats
        rules:
          - name: greeter
            effect: permit
            subjects:
              - spiffeId: spiffe://example.org/components/greeter
            capabilities:
              - natsPublish: greetings.>
              - natsSubscribe: greetings.>
          - name: subscriber
            effect: permit
            subjects:
              - spiffeId: spiffe://example.org/subscriber
            capabilities:
              - natsSubscribe: greetings.>
        """;

    private readonly RunningCallout _callout = new();

    private CalloutWorld World => _callout.World;

    private CancellationToken Stop => _callout.Stop;

    [Theory]
    [InlineData(NatsRelease.Floor)]
    [InlineData(NatsRelease.Newest)]
    public async Task A_workload_publishes_what_it_may_and_nats_server_refuses_the_rest(NatsRelease release)
    {
        await _callout.StartAsync(release);
        await using var client = _callout.Client(CalloutWorld.Subscriber, () => World.Token(CalloutWorld.Subscriber, TimeProvider.System.GetUtcNow()));
        var violations = Channel.CreateUnbounded<string>();
        client.ServerError += (_, e) =>
        {
            violations.Writer.TryWrite(e.Error);
            return ValueTask.CompletedTask;
        };
        await client.ConnectAsync();
        await using var greetings = await client.SubscribeCoreAsync<string>("greetings.hello", cancellationToken: Stop);

        await client.PublishAsync("greetings.hello", "hi", cancellationToken: Stop);
        Assert.Equal("hi", (await greetings.Msgs.ReadAsync(Stop).AsTask().WaitAsync(Deadline, TestContext.Current.CancellationToken)).Data);

        await client.PublishAsync("payroll.salaries", "?", cancellationToken: Stop);
        Assert.Contains("Permissions Violation for Publish to \"payroll.salaries\"", await violations.Reader.ReadAsync(Stop).AsTask().WaitAsync(Deadline, TestContext.Current.CancellationToken), StringComparison.OrdinalIgnoreCase);
        await using var payroll = await client.SubscribeCoreAsync<string>("payroll.>", cancellationToken: Stop);
        Assert.Contains("Permissions Violation for Subscription to \"payroll.>\"", await violations.Reader.ReadAsync(Stop).AsTask().WaitAsync(Deadline, TestContext.Current.CancellationToken), StringComparison.OrdinalIgnoreCase);

        Assert.Contains(World.Intents, intent => intent.SpiffeId == CalloutWorld.Subscriber.ToString());
        Assert.Contains(World.Decisions, decision => decision.Allowed);
        Assert.DoesNotContain("eyJ", _callout.Server.LogText, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(NatsRelease.Floor)]
    [InlineData(NatsRelease.Newest)]
    public async Task Nobody_else_gets_in(NatsRelease release)
    {
        await _callout.StartAsync(release);
        var now = TimeProvider.System.GetUtcNow();
        await RefusedAsync(null);
        await RefusedAsync("garbage");
        await RefusedAsync(World.Token(CalloutWorld.Subscriber, "spiffe://example.org/other", now));
        await RefusedAsync(World.Token(CalloutWorld.Subscriber, now.AddMinutes(-30)));
        await RefusedAsync(World.Token(SpiffeId.Parse("spiffe://example.org/stranger"), now));
        World.Standings[CalloutWorld.Greeter] = new LoginStanding.Refused("it is banned");
        await RefusedAsync(World.Token(CalloutWorld.Greeter, now));
        Assert.Equal(6, World.Decisions.Count(decision => !decision.Allowed));

        // The refusal is findable from nats-server's own log.
        var line = await _callout.Server.WaitForLogAsync(text => text.Contains("ask for decision d-", StringComparison.Ordinal), Deadline, TestContext.Current.CancellationToken);
        Assert.DoesNotContain("garbage", line, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(NatsRelease.Floor)]
    [InlineData(NatsRelease.Newest)]
    public async Task When_its_ground_ends_a_connection_is_gone_within_a_second_and_does_not_come_back(NatsRelease release)
    {
        await _callout.StartAsync(release);
        World.Standings[CalloutWorld.Greeter] = new LoginStanding.AdmittedComponent(
            Identity.Policy.ComponentDigest.Of("greeter"u8), SpiffeId.Parse("spiffe://example.org/hosts/local"));
        await using var client = _callout.Client(CalloutWorld.Greeter, () => World.Token(CalloutWorld.Greeter, TimeProvider.System.GetUtcNow()));
        await using var bystander = _callout.Client(CalloutWorld.Subscriber, () => World.Token(CalloutWorld.Subscriber, TimeProvider.System.GetUtcNow()));
        var disconnected = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var bystanderGone = false;
        client.ConnectionDisconnected += (_, _) =>
        {
            disconnected.TrySetResult();
            return ValueTask.CompletedTask;
        };
        bystander.ConnectionDisconnected += (_, _) =>
        {
            bystanderGone = true;
            return ValueTask.CompletedTask;
        };
        await client.ConnectAsync();
        await bystander.ConnectAsync();

        // The kicker logs in when it first has something to do; that login is not what is measured.
        World.End(SpiffeId.Parse("spiffe://example.org/nobody"), "it ended");
        await RunningCallout.UntilAsync(() => World.Decisions.Any(decision => decision.Allowed && decision.Subject == World.Responder.OwnId.ToString()));

        var started = TimeProvider.System.GetTimestamp();
        World.End(CalloutWorld.Greeter, "its admission ended");
        await disconnected.Task.WaitAsync(Deadline, TestContext.Current.CancellationToken);
        Assert.True(TimeProvider.System.GetElapsedTime(started) < TimeSpan.FromSeconds(1), $"{TimeProvider.System.GetElapsedTime(started)}");
        await RefusedAsync(World.Token(CalloutWorld.Greeter, TimeProvider.System.GetUtcNow()));
        Assert.False(bystanderGone);
    }

    [Theory]
    [InlineData(NatsRelease.Floor)]
    [InlineData(NatsRelease.Newest)]
    public async Task A_grant_that_is_removed_cuts_the_session_it_was_in_and_no_other(NatsRelease release)
    {
        await _callout.StartAsync(release);
        await using var listener = new Watched(_callout.Client(CalloutWorld.Subscriber));
        await using var bystander = new Watched(_callout.Client(CalloutWorld.Greeter));
        await listener.Connection.ConnectAsync();
        await bystander.Connection.ConnectAsync();
        await listener.Connection.PublishAsync("greetings.hello", "hi", cancellationToken: Stop);

        World.Change(TestPolicy.Of(Reduced));
        await listener.NextEndAsync();

        // It comes back by itself, and what it then may is what policy says now.
        await listener.NextOpeningAsync();
        await using var greetings = await listener.Connection.SubscribeCoreAsync<string>("greetings.>", cancellationToken: Stop);
        await listener.Connection.PublishAsync("greetings.hello", "?", cancellationToken: Stop);
        Assert.Contains("Permissions Violation for Publish to \"greetings.hello\"", await listener.NextErrorAsync(), StringComparison.OrdinalIgnoreCase);

        // Nobody else noticed, and the look for latecomers leaves the new session alone.
        await bystander.Connection.PublishAsync("greetings.hello", "still here", cancellationToken: Stop);
        Assert.Equal("still here", (await greetings.Msgs.ReadAsync(Stop).AsTask().WaitAsync(Deadline, TestContext.Current.CancellationToken)).Data);
        await SecondSweepAsync();
        await listener.Connection.PingAsync(Stop);
        Assert.Equal(1, listener.Ends);
        Assert.Equal(0, bystander.Ends);
    }

    [Fact]
    public async Task A_component_gets_its_new_subjects_while_its_admission_stays()
    {
        await _callout.StartAsync(NatsRelease.Newest);
        World.Standings[CalloutWorld.Greeter] = new LoginStanding.AdmittedComponent(
            Identity.Policy.ComponentDigest.Of("greeter"u8), SpiffeId.Parse("spiffe://example.org/hosts/local"));
        await using var greeter = new Watched(_callout.Client(CalloutWorld.Greeter));
        await greeter.Connection.ConnectAsync();

        World.Change(TestPolicy.Of(CalloutWorld.Rules.Replace("natsPublish: greetings.>", "natsPublish: farewells.>", StringComparison.Ordinal)));
        await greeter.NextEndAsync();
        await greeter.NextOpeningAsync();
        await greeter.Connection.PublishAsync("greetings.hello", "?", cancellationToken: Stop);
        Assert.Contains("greetings.hello", await greeter.NextErrorAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Whoever_would_be_refused_now_is_cut_and_stays_out()
    {
        await _callout.StartAsync(NatsRelease.Newest);
        await using var listener = new Watched(_callout.Client(CalloutWorld.Subscriber));
        await listener.Connection.ConnectAsync();

        World.Change(Identity.Policy.CapabilityPolicy.Empty);
        await listener.NextEndAsync();
        await RefusedAsync(World.Token(CalloutWorld.Subscriber, TimeProvider.System.GetUtcNow()));
    }

    [Fact]
    public async Task A_change_that_gives_nobody_other_rights_cuts_nobody()
    {
        await _callout.StartAsync(NatsRelease.Newest);
        await using var listener = new Watched(_callout.Client(CalloutWorld.Subscriber));
        await listener.Connection.ConnectAsync();

        // The same subjects by a rule of another name; then the end of another session tells that the change has been looked at.
        await using var probe = new Watched(_callout.Client(CalloutWorld.Greeter));
        await probe.Connection.ConnectAsync();
        World.Change(TestPolicy.Of(CalloutWorld.Rules.Replace("name: greetings", "name: renamed", StringComparison.Ordinal)));
        World.End(CalloutWorld.Greeter, "it ended");
        await probe.NextEndAsync();
        await SecondSweepAsync();
        await listener.Connection.PingAsync(Stop);
        Assert.Equal(0, listener.Ends);
    }

    [Fact]
    public async Task After_a_restart_sessions_stay_until_policy_changes_and_are_then_cut_whatever_they_were_granted()
    {
        await _callout.StartAsync(NatsRelease.Newest);
        await using var listener = new Watched(_callout.Client(CalloutWorld.Subscriber));
        await listener.Connection.ConnectAsync();
        await _callout.StopServiceAsync();
        await _callout.StartServiceAsync();
        await using var known = new Watched(_callout.Client(CalloutWorld.Greeter));
        await known.Connection.ConnectAsync();
        Assert.Equal(0, listener.Ends);

        World.Change(TestPolicy.Of(CalloutWorld.Rules.Replace("name: greetings", "name: renamed", StringComparison.Ordinal)));
        await listener.NextEndAsync();
        await listener.NextOpeningAsync();
        await known.Connection.PingAsync(Stop);
        Assert.Equal(0, known.Ends);
    }

    [Theory]
    [InlineData(NatsRelease.Floor)]
    [InlineData(NatsRelease.Newest)]
    public async Task A_change_that_nobody_lived_to_act_upon_cuts_the_session_it_concerns_at_the_next_start(NatsRelease release)
    {
        await _callout.StartAsync(release);
        await using var listener = new Watched(_callout.Client(CalloutWorld.Subscriber));
        await listener.Connection.ConnectAsync();
        await _callout.StopServiceAsync();

        World.Change(TestPolicy.Of(Reduced));
        Assert.Equal(0, listener.Ends);
        await _callout.StartServiceAsync();

        await listener.NextEndAsync();
        await listener.NextOpeningAsync();
        await listener.Connection.PublishAsync("greetings.hello", "?", cancellationToken: Stop);
        Assert.Contains("Permissions Violation for Publish to \"greetings.hello\"", await listener.NextErrorAsync(), StringComparison.OrdinalIgnoreCase);
    }

    [Theory]
    [InlineData(NatsRelease.Floor)]
    [InlineData(NatsRelease.Newest)]
    public async Task Whoever_lost_its_standing_while_nobody_looked_is_cut_at_the_next_start_and_no_other(NatsRelease release)
    {
        await _callout.StartAsync(release);
        await using var banned = new Watched(_callout.Client(CalloutWorld.Subscriber));
        await using var bystander = new Watched(_callout.Client(CalloutWorld.Greeter));
        await banned.Connection.ConnectAsync();
        await bystander.Connection.ConnectAsync();
        await _callout.StopServiceAsync();

        World.Standings[CalloutWorld.Subscriber] = new LoginStanding.Refused("it is banned");
        await _callout.StartServiceAsync();

        await banned.NextEndAsync();
        await RefusedAsync(World.Token(CalloutWorld.Subscriber, TimeProvider.System.GetUtcNow()));
        await bystander.Connection.PingAsync(Stop);
        Assert.Equal(0, bystander.Ends);
    }

    [Fact]
    public async Task A_component_whose_agent_is_not_back_yet_is_left_alone_for_a_while_after_a_start_and_then_cut()
    {
        await _callout.StartAsync(NatsRelease.Newest);
        await using var greeter = new Watched(_callout.Client(CalloutWorld.Greeter));
        await greeter.Connection.ConnectAsync();
        await _callout.StopServiceAsync();

        World.Standings[CalloutWorld.Greeter] = new LoginStanding.Refused("no agent reports it", IsUnreported: true);
        await _callout.StartServiceAsync();
        await greeter.Connection.PingAsync(Stop);
        Assert.Equal(0, greeter.Ends);

        _callout.KickerTime.Shift = NatsConnectionKicker.AgentsAreBackAfter;
        _callout.Kicker.Review();
        await greeter.NextEndAsync();
    }

    [Theory]
    [InlineData(NatsRelease.Floor)]
    [InlineData(NatsRelease.Newest)]
    public async Task Sessions_are_reviewed_when_nats_server_was_out_of_reach_and_is_back(NatsRelease release)
    {
        await _callout.StartAsync(release);
        var sweeps = _callout.Kicker.SweepsDone;
        await _callout.RestartServerAsync(release);

        await RunningCallout.UntilAsync(() => _callout.Kicker.SweepsDone > sweeps);
    }

    [Fact]
    public async Task Stopping_while_nats_server_goes_away_is_no_fault()
    {
        await _callout.StartAsync(NatsRelease.Newest);
        World.End(CalloutWorld.Greeter, "there is something to do");

        await Task.WhenAll(_callout.Server.KillAsync(), _callout.Service.StopAsync(CancellationToken.None), _callout.Kicker.StopAsync(CancellationToken.None));

        Assert.False(_callout.Service.ExecuteTask!.IsFaulted, $"{_callout.Service.ExecuteTask.Exception}");
        Assert.False(_callout.Kicker.ExecuteTask!.IsFaulted, $"{_callout.Kicker.ExecuteTask.Exception}");
    }

    [Fact]
    public async Task A_responder_with_another_curve_key_lets_nobody_in()
    {
        using var other = new CalloutWorld(TimeProvider.System.GetUtcNow());
        using var mixed = new NatsCalloutKeys(World.Keys.User, World.Keys.Issuer, other.Keys.Curve);
        await _callout.StartAsync(NatsRelease.Newest, mixed);
        await RefusedAsync(World.Token(CalloutWorld.Subscriber, TimeProvider.System.GetUtcNow()));
        Assert.Empty(World.Intents);
    }

    [Fact]
    public async Task It_does_not_speak_to_a_nats_server_that_is_not_ours()
    {
        await _callout.StartAsync(NatsRelease.Newest, waitForService: false, serverId: SpiffeId.Parse("spiffe://example.org/impostor"));
        await RunningCallout.UntilAsync(() => _callout.Service.Problem?.Contains("cannot be reached", StringComparison.Ordinal) == true);
        Assert.DoesNotContain("identityd auth callout", _callout.Server.LogText, StringComparison.Ordinal);
    }

    [Fact]
    public async Task It_answers_again_after_nats_server_was_restarted()
    {
        await _callout.StartAsync(NatsRelease.Newest);
        await _callout.RestartServerAsync(NatsRelease.Newest);
        await _callout.AnsweringAsync();
        await using var client = _callout.Client(CalloutWorld.Subscriber, () => World.Token(CalloutWorld.Subscriber, TimeProvider.System.GetUtcNow()));
        await client.ConnectAsync();
    }

    [Fact]
    public async Task An_answer_that_no_nats_server_gives_keeps_nobody_in()
    {
        using var odd = KeyPair.CreatePair(NKeyPrefix.User);
        var own = World.Keys.User.GetPublicKey();
        await _callout.StartAsync(NatsRelease.Newest, change: text => text
            .Replace("SYS {}", $"SYS {{ users: [ {{ nkey: {odd.GetPublicKey()} }} ] }}", StringComparison.Ordinal)
            .Replace($"auth_users: [ {own} ]", $"auth_users: [ {own}, {odd.GetPublicKey()} ]", StringComparison.Ordinal));
        await using var liar = _callout.Client(new NatsAuthOpts { NKey = odd.GetPublicKey(), Seed = odd.GetSeed() });
        await using var questions = await liar.SubscribeCoreAsync<byte[]>("$SYS.REQ.SERVER.PING.CONNZ", cancellationToken: Stop);
        await liar.PingAsync(Stop);
        await using var subscriber = new Watched(_callout.Client(CalloutWorld.Subscriber));
        await subscriber.Connection.ConnectAsync();
        var done = _callout.Kicker.SweepsDone;

        World.End(CalloutWorld.Subscriber, "it ended");
        await (await questions.Msgs.ReadAsync(Stop)).ReplyAsync("{}"u8.ToArray(), cancellationToken: Stop);
        await subscriber.NextEndAsync();

        // And whoever was to be looked for is looked for again, until all that was told could be read.
        await RunningCallout.UntilAsync(() => _callout.Kicker.SweepsDone > done);
    }

    [Fact]
    public async Task Whose_rights_cannot_be_told_is_cut()
    {
        await _callout.StartAsync(NatsRelease.Newest);
        await using var bystander = new Watched(_callout.Client(CalloutWorld.Greeter));
        await using var subscriber = new Watched(_callout.Client(CalloutWorld.Subscriber));
        await bystander.Connection.ConnectAsync();
        await subscriber.Connection.ConnectAsync();

        World.Faulty[CalloutWorld.Subscriber] = true;
        _callout.Kicker.Review();
        await subscriber.NextEndAsync();
        await bystander.Connection.PingAsync(Stop);
        Assert.Equal(0, bystander.Ends);
    }

    [Fact]
    public async Task A_watch_that_dies_is_begun_anew_and_what_came_meanwhile_is_acted_upon()
    {
        await _callout.StartAsync(NatsRelease.Newest);
        await using var subscriber = new Watched(_callout.Client(CalloutWorld.Subscriber));
        await subscriber.Connection.ConnectAsync();

        World.FailWatch();
        World.Change(TestPolicy.Of(Reduced));
        await subscriber.NextEndAsync();
    }

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public ValueTask DisposeAsync() => _callout.DisposeAsync();

    // Each end is followed by a look for logins that were under way.
    private Task SecondSweepAsync() => RunningCallout.UntilAsync(() => _callout.Kicker.SweepsDone >= 3);

    private async Task RefusedAsync(string? token)
    {
        await using var client = _callout.Client(CalloutWorld.Subscriber, () => token);
        var error = await Assert.ThrowsAsync<NatsException>(async () => await client.ConnectAsync());
        Assert.Contains("Authorization Violation", $"{error.InnerException?.Message} {error.Message}", StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>A client and what happens to its connection.</summary>
    private sealed class Watched : IAsyncDisposable
    {
        private readonly Channel<bool> _ends = Channel.CreateUnbounded<bool>();
        private readonly Channel<bool> _openings = Channel.CreateUnbounded<bool>();
        private readonly Channel<string> _errors = Channel.CreateUnbounded<string>();
        private int _endCount;
        private bool _wasOpen;

        public Watched(NatsConnection connection)
        {
            Connection = connection;
            connection.ConnectionDisconnected += (_, _) =>
            {
                Interlocked.Increment(ref _endCount);
                return _ends.Writer.WriteAsync(true);
            };
            connection.ConnectionOpened += (_, _) =>
            {
                var again = _wasOpen;
                _wasOpen = true;
                return again ? _openings.Writer.WriteAsync(true) : ValueTask.CompletedTask;
            };
            connection.ServerError += (_, e) => _errors.Writer.WriteAsync(e.Error);
        }

        public NatsConnection Connection { get; }

        public int Ends => Volatile.Read(ref _endCount);

        public Task<bool> NextEndAsync() => NextAsync(_ends);

        /// <summary>The next after the first.</summary>
        public Task<bool> NextOpeningAsync() => NextAsync(_openings);

        public Task<string> NextErrorAsync() => NextAsync(_errors);

        public ValueTask DisposeAsync() => Connection.DisposeAsync();

        private static Task<T> NextAsync<T>(Channel<T> channel) =>
            channel.Reader.ReadAsync(TestContext.Current.CancellationToken).AsTask().WaitAsync(Deadline, TestContext.Current.CancellationToken);
    }
}
