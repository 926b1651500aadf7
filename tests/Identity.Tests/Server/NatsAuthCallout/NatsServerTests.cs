using System.Threading.Channels;
using Identity.Server.NatsAuthCallout;
using Identity.Testing.Nats;
using Microsoft.Extensions.Logging.Abstractions;
using NATS.Client.Core;
using Spiffe.Net;

namespace Identity.Tests.Server.NatsAuthCallout;

/// <summary>The room against real nats-servers, with the configuration it generates.</summary>
public sealed class NatsServerTests : IAsyncLifetime
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(20);

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

    private readonly CalloutWorld _world = new(TimeProvider.System.GetUtcNow());
    private readonly string _folder = Directory.CreateTempSubdirectory("callout-").FullName;
    private readonly CancellationTokenSource _stop = new();
    private readonly ShiftedTime _kickerTime = new();
    private NatsServerProcess? _server;
    private NatsAuthCalloutService? _service;
    private NatsConnectionKicker? _kicker;

    [Theory]
    [InlineData(NatsRelease.Floor)]
    [InlineData(NatsRelease.Newest)]
    public async Task A_workload_publishes_what_it_may_and_nats_server_refuses_the_rest(NatsRelease release)
    {
        await StartAsync(release);
        await using var client = Client(CalloutWorld.Subscriber, () => _world.Token(CalloutWorld.Subscriber, TimeProvider.System.GetUtcNow()));
        var violations = Channel.CreateUnbounded<string>();
        client.ServerError += (_, e) =>
        {
            violations.Writer.TryWrite(e.Error);
            return ValueTask.CompletedTask;
        };
        await client.ConnectAsync();
        await using var greetings = await client.SubscribeCoreAsync<string>("greetings.hello", cancellationToken: _stop.Token);

        await client.PublishAsync("greetings.hello", "hi", cancellationToken: _stop.Token);
        Assert.Equal("hi", (await greetings.Msgs.ReadAsync(_stop.Token).AsTask().WaitAsync(Deadline, TestContext.Current.CancellationToken)).Data);

        await client.PublishAsync("payroll.salaries", "?", cancellationToken: _stop.Token);
        Assert.Contains("Permissions Violation for Publish to \"payroll.salaries\"", await violations.Reader.ReadAsync(_stop.Token).AsTask().WaitAsync(Deadline, TestContext.Current.CancellationToken), StringComparison.OrdinalIgnoreCase);
        await using var payroll = await client.SubscribeCoreAsync<string>("payroll.>", cancellationToken: _stop.Token);
        Assert.Contains("Permissions Violation for Subscription to \"payroll.>\"", await violations.Reader.ReadAsync(_stop.Token).AsTask().WaitAsync(Deadline, TestContext.Current.CancellationToken), StringComparison.OrdinalIgnoreCase);

        Assert.Contains(_world.Intents, intent => intent.SpiffeId == CalloutWorld.Subscriber.ToString());
        Assert.Contains(_world.Decisions, decision => decision.Allowed);
        Assert.DoesNotContain("eyJ", _server!.LogText, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(NatsRelease.Floor)]
    [InlineData(NatsRelease.Newest)]
    public async Task Nobody_else_gets_in(NatsRelease release)
    {
        await StartAsync(release);
        var now = TimeProvider.System.GetUtcNow();
        await RefusedAsync(null);
        await RefusedAsync("garbage");
        await RefusedAsync(_world.Token(CalloutWorld.Subscriber, "spiffe://example.org/other", now));
        await RefusedAsync(_world.Token(CalloutWorld.Subscriber, now.AddMinutes(-30)));
        await RefusedAsync(_world.Token(SpiffeId.Parse("spiffe://example.org/stranger"), now));
        _world.Standings[CalloutWorld.Greeter] = new LoginStanding.Refused("it is banned");
        await RefusedAsync(_world.Token(CalloutWorld.Greeter, now));
        Assert.Equal(6, _world.Decisions.Count(decision => !decision.Allowed));

        // The refusal is findable from nats-server's own log.
        var line = await _server!.WaitForLogAsync(text => text.Contains("ask for decision d-", StringComparison.Ordinal), Deadline, TestContext.Current.CancellationToken);
        Assert.DoesNotContain("garbage", line, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(NatsRelease.Floor)]
    [InlineData(NatsRelease.Newest)]
    public async Task When_its_ground_ends_a_connection_is_gone_within_a_second_and_does_not_come_back(NatsRelease release)
    {
        await StartAsync(release);
        _world.Standings[CalloutWorld.Greeter] = new LoginStanding.AdmittedComponent(
            Identity.Policy.ComponentDigest.Of("greeter"u8), SpiffeId.Parse("spiffe://example.org/hosts/local"));
        await using var client = Client(CalloutWorld.Greeter, () => _world.Token(CalloutWorld.Greeter, TimeProvider.System.GetUtcNow()));
        await using var bystander = Client(CalloutWorld.Subscriber, () => _world.Token(CalloutWorld.Subscriber, TimeProvider.System.GetUtcNow()));
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
        _world.End(SpiffeId.Parse("spiffe://example.org/nobody"), "it ended");
        await UntilAsync(() => _world.Decisions.Any(decision => decision.Allowed && decision.Subject == _world.Responder.OwnId.ToString()));

        var started = TimeProvider.System.GetTimestamp();
        _world.End(CalloutWorld.Greeter, "its admission ended");
        await disconnected.Task.WaitAsync(Deadline, TestContext.Current.CancellationToken);
        Assert.True(TimeProvider.System.GetElapsedTime(started) < TimeSpan.FromSeconds(1), $"{TimeProvider.System.GetElapsedTime(started)}");
        await RefusedAsync(_world.Token(CalloutWorld.Greeter, TimeProvider.System.GetUtcNow()));
        Assert.False(bystanderGone);
    }

    [Theory]
    [InlineData(NatsRelease.Floor)]
    [InlineData(NatsRelease.Newest)]
    public async Task A_grant_that_is_removed_cuts_the_session_it_was_in_and_no_other(NatsRelease release)
    {
        await StartAsync(release);
        await using var listener = new Watched(Client(CalloutWorld.Subscriber));
        await using var bystander = new Watched(Client(CalloutWorld.Greeter));
        await listener.Connection.ConnectAsync();
        await bystander.Connection.ConnectAsync();
        await listener.Connection.PublishAsync("greetings.hello", "hi", cancellationToken: _stop.Token);

        _world.Change(TestPolicy.Of(Reduced));
        await listener.NextEndAsync();

        // It comes back by itself, and what it then may is what policy says now.
        await listener.NextOpeningAsync();
        await using var greetings = await listener.Connection.SubscribeCoreAsync<string>("greetings.>", cancellationToken: _stop.Token);
        await listener.Connection.PublishAsync("greetings.hello", "?", cancellationToken: _stop.Token);
        Assert.Contains("Permissions Violation for Publish to \"greetings.hello\"", await listener.NextErrorAsync(), StringComparison.OrdinalIgnoreCase);

        // Nobody else noticed, and the look for latecomers leaves the new session alone.
        await bystander.Connection.PublishAsync("greetings.hello", "still here", cancellationToken: _stop.Token);
        Assert.Equal("still here", (await greetings.Msgs.ReadAsync(_stop.Token).AsTask().WaitAsync(Deadline, TestContext.Current.CancellationToken)).Data);
        await SecondSweepAsync();
        await listener.Connection.PingAsync(_stop.Token);
        Assert.Equal(1, listener.Ends);
        Assert.Equal(0, bystander.Ends);
    }

    [Fact]
    public async Task A_component_gets_its_new_subjects_while_its_admission_stays()
    {
        await StartAsync(NatsRelease.Newest);
        _world.Standings[CalloutWorld.Greeter] = new LoginStanding.AdmittedComponent(
            Identity.Policy.ComponentDigest.Of("greeter"u8), SpiffeId.Parse("spiffe://example.org/hosts/local"));
        await using var greeter = new Watched(Client(CalloutWorld.Greeter));
        await greeter.Connection.ConnectAsync();

        _world.Change(TestPolicy.Of(CalloutWorld.Rules.Replace("natsPublish: greetings.>", "natsPublish: farewells.>", StringComparison.Ordinal)));
        await greeter.NextEndAsync();
        await greeter.NextOpeningAsync();
        await greeter.Connection.PublishAsync("greetings.hello", "?", cancellationToken: _stop.Token);
        Assert.Contains("greetings.hello", await greeter.NextErrorAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Whoever_would_be_refused_now_is_cut_and_stays_out()
    {
        await StartAsync(NatsRelease.Newest);
        await using var listener = new Watched(Client(CalloutWorld.Subscriber));
        await listener.Connection.ConnectAsync();

        _world.Change(Identity.Policy.CapabilityPolicy.Empty);
        await listener.NextEndAsync();
        await RefusedAsync(_world.Token(CalloutWorld.Subscriber, TimeProvider.System.GetUtcNow()));
    }

    [Fact]
    public async Task A_change_that_gives_nobody_other_rights_cuts_nobody()
    {
        await StartAsync(NatsRelease.Newest);
        await using var listener = new Watched(Client(CalloutWorld.Subscriber));
        await listener.Connection.ConnectAsync();

        // The same subjects by a rule of another name; then the end of another session tells that the change has been looked at.
        await using var probe = new Watched(Client(CalloutWorld.Greeter));
        await probe.Connection.ConnectAsync();
        _world.Change(TestPolicy.Of(CalloutWorld.Rules.Replace("name: greetings", "name: renamed", StringComparison.Ordinal)));
        _world.End(CalloutWorld.Greeter, "it ended");
        await probe.NextEndAsync();
        await SecondSweepAsync();
        await listener.Connection.PingAsync(_stop.Token);
        Assert.Equal(0, listener.Ends);
    }

    [Fact]
    public async Task After_a_restart_sessions_stay_until_policy_changes_and_are_then_cut_whatever_they_were_granted()
    {
        await StartAsync(NatsRelease.Newest);
        await using var listener = new Watched(Client(CalloutWorld.Subscriber));
        await listener.Connection.ConnectAsync();
        await StopServiceAsync();
        await StartServiceAsync();
        await using var known = new Watched(Client(CalloutWorld.Greeter));
        await known.Connection.ConnectAsync();
        Assert.Equal(0, listener.Ends);

        _world.Change(TestPolicy.Of(CalloutWorld.Rules.Replace("name: greetings", "name: renamed", StringComparison.Ordinal)));
        await listener.NextEndAsync();
        await listener.NextOpeningAsync();
        await known.Connection.PingAsync(_stop.Token);
        Assert.Equal(0, known.Ends);
    }

    [Theory]
    [InlineData(NatsRelease.Floor)]
    [InlineData(NatsRelease.Newest)]
    public async Task A_change_that_nobody_lived_to_act_upon_cuts_the_session_it_concerns_at_the_next_start(NatsRelease release)
    {
        await StartAsync(release);
        await using var listener = new Watched(Client(CalloutWorld.Subscriber));
        await listener.Connection.ConnectAsync();
        await StopServiceAsync();

        _world.Change(TestPolicy.Of(Reduced));
        Assert.Equal(0, listener.Ends);
        await StartServiceAsync();

        await listener.NextEndAsync();
        await listener.NextOpeningAsync();
        await listener.Connection.PublishAsync("greetings.hello", "?", cancellationToken: _stop.Token);
        Assert.Contains("Permissions Violation for Publish to \"greetings.hello\"", await listener.NextErrorAsync(), StringComparison.OrdinalIgnoreCase);
    }

    [Theory]
    [InlineData(NatsRelease.Floor)]
    [InlineData(NatsRelease.Newest)]
    public async Task Whoever_lost_its_standing_while_nobody_looked_is_cut_at_the_next_start_and_no_other(NatsRelease release)
    {
        await StartAsync(release);
        await using var banned = new Watched(Client(CalloutWorld.Subscriber));
        await using var bystander = new Watched(Client(CalloutWorld.Greeter));
        await banned.Connection.ConnectAsync();
        await bystander.Connection.ConnectAsync();
        await StopServiceAsync();

        _world.Standings[CalloutWorld.Subscriber] = new LoginStanding.Refused("it is banned");
        await StartServiceAsync();

        await banned.NextEndAsync();
        await RefusedAsync(_world.Token(CalloutWorld.Subscriber, TimeProvider.System.GetUtcNow()));
        await bystander.Connection.PingAsync(_stop.Token);
        Assert.Equal(0, bystander.Ends);
    }

    [Fact]
    public async Task A_component_whose_agent_is_not_back_yet_is_left_alone_for_a_while_after_a_start_and_then_cut()
    {
        await StartAsync(NatsRelease.Newest);
        await using var greeter = new Watched(Client(CalloutWorld.Greeter));
        await greeter.Connection.ConnectAsync();
        await StopServiceAsync();

        _world.Standings[CalloutWorld.Greeter] = new LoginStanding.Refused("no agent reports it", IsUnreported: true);
        await StartServiceAsync();
        await greeter.Connection.PingAsync(_stop.Token);
        Assert.Equal(0, greeter.Ends);

        _kickerTime.Shift = NatsConnectionKicker.AgentsAreBackAfter;
        _kicker!.Review();
        await greeter.NextEndAsync();
    }

    [Theory]
    [InlineData(NatsRelease.Floor)]
    [InlineData(NatsRelease.Newest)]
    public async Task Sessions_are_reviewed_when_nats_server_was_out_of_reach_and_is_back(NatsRelease release)
    {
        await StartAsync(release);
        var sweeps = _kicker!.SweepsDone;
        var port = _server!.Port;
        await _server.DisposeAsync();

        _server = await NatsServerProcess.StartAsync(NatsServerBinary.Get(release), Configuration(_world.Keys, port, CalloutServerId), _stop.Token);

        await UntilAsync(() => _kicker.SweepsDone > sweeps);
    }

    [Fact]
    public async Task Stopping_while_nats_server_goes_away_is_no_fault()
    {
        await StartAsync(NatsRelease.Newest);
        _world.End(CalloutWorld.Greeter, "there is something to do");

        await Task.WhenAll(_server!.KillAsync(), _service!.StopAsync(CancellationToken.None), _kicker!.StopAsync(CancellationToken.None));

        Assert.False(_service.ExecuteTask!.IsFaulted, $"{_service.ExecuteTask.Exception}");
        Assert.False(_kicker.ExecuteTask!.IsFaulted, $"{_kicker.ExecuteTask.Exception}");
    }

    [Fact]
    public async Task A_responder_with_another_curve_key_lets_nobody_in()
    {
        using var other = new CalloutWorld(TimeProvider.System.GetUtcNow());
        using var mixed = new NatsCalloutKeys(_world.Keys.User, _world.Keys.Issuer, other.Keys.Curve);
        await StartAsync(NatsRelease.Newest, mixed);
        await RefusedAsync(_world.Token(CalloutWorld.Subscriber, TimeProvider.System.GetUtcNow()));
        Assert.Empty(_world.Intents);
    }

    [Fact]
    public async Task It_does_not_speak_to_a_nats_server_that_is_not_ours()
    {
        await StartAsync(NatsRelease.Newest, waitForService: false, serverId: SpiffeId.Parse("spiffe://example.org/impostor"));
        await UntilAsync(() => _service!.Problem?.Contains("cannot be reached", StringComparison.Ordinal) == true);
        Assert.DoesNotContain("identityd auth callout", _server!.LogText, StringComparison.Ordinal);
    }

    [Fact]
    public async Task It_answers_again_after_nats_server_was_restarted()
    {
        await StartAsync(NatsRelease.Newest);
        var port = _server!.Port;
        await _server.DisposeAsync();
        _server = await NatsServerProcess.StartAsync(NatsServerBinary.Newest, Configuration(_world.Keys, port, CalloutServerId), _stop.Token);
        await AnsweringAsync();
        await using var client = Client(CalloutWorld.Subscriber, () => _world.Token(CalloutWorld.Subscriber, TimeProvider.System.GetUtcNow()));
        await client.ConnectAsync();
    }

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        if (_service is not null) await _service.StopAsync(CancellationToken.None);
        if (_kicker is not null) await _kicker.StopAsync(CancellationToken.None);
        _stop.Cancel();
        if (_server is not null) await _server.DisposeAsync();
        _service?.Dispose();
        _kicker?.Dispose();
        _stop.Dispose();
        _world.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private static SpiffeId CalloutServerId { get; } = SpiffeId.Parse("spiffe://example.org/nats-server");

    private async Task StartAsync(NatsRelease release, NatsCalloutKeys? keys = null, bool waitForService = true, SpiffeId? serverId = null)
    {
        _server = await NatsServerProcess.StartAsync(NatsServerBinary.Get(release), Configuration(_world.Keys, -1, serverId ?? CalloutServerId), _stop.Token);
        await StartServiceAsync(keys, waitForService);
    }

    private async Task StartServiceAsync(NatsCalloutKeys? keys = null, bool waitForService = true)
    {
        var options = new NatsAuthCalloutOptions { TrustDomain = CalloutWorld.TrustDomain, Folder = _folder, Url = new Uri($"tls://127.0.0.1:{_server!.Port}") };
        keys ??= _world.Keys;
        var responder = new NatsAuthCalloutResponder(keys, CalloutWorld.TrustDomain, options.MaxSession);
        var granted = new GrantedLogins(options.MaxSession, TimeProvider.System);
        _kicker = new NatsConnectionKicker(responder, _world, granted, new SweptMark(_folder), options, _kickerTime, NullLogger<NatsConnectionKicker>.Instance);
        _service = new NatsAuthCalloutService(responder, keys, _world, granted, _kicker, options, TimeProvider.System, NullLogger<NatsAuthCalloutService>.Instance);
        await _service.StartAsync(_stop.Token);
        if (!waitForService) return;
        await AnsweringAsync();
        await _kicker!.StartAsync(_stop.Token);

        // Sessions of before are looked at first, by whoever can log in; then nothing is left to do about the state as it is.
        if (ReferenceEquals(keys, _world.Keys)) await UntilAsync(() => _kicker.SweepsDone >= 1 && new SweptMark(_folder).Read() == _world.Revision);
    }

    private async Task StopServiceAsync()
    {
        await _service!.StopAsync(CancellationToken.None);
        await _kicker!.StopAsync(CancellationToken.None);
        _service.Dispose();
        _kicker.Dispose();
    }

    // Each end is followed by a look for logins that were under way.
    private Task SecondSweepAsync() => UntilAsync(() => _kicker!.SweepsDone >= 3);

    private Task AnsweringAsync() => UntilAsync(() => _service!.Problem is null);

    // A state of the service, not an event: look until it is so, within a deadline.
    private static async Task UntilAsync(Func<bool> isSo)
    {
        using var deadline = new CancellationTokenSource(Deadline);
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(10));
        while (!isSo()) await timer.WaitForNextTickAsync(deadline.Token);
    }

    private string Configuration(NatsCalloutKeys keys, int port, SpiffeId serverId)
    {
        var (certificate, key) = _world.X509.WriteServer(_folder, serverId, TimeProvider.System.GetUtcNow());
        Assert.True(NatsServerConfiguration.TryWrite(keys, $"127.0.0.1:{port}", certificate, key, out var text, out var problem), problem);
        return text;
    }

    private NatsConnection Client(SpiffeId id) => Client(id, () => _world.Token(id, TimeProvider.System.GetUtcNow()));

    private NatsConnection Client(SpiffeId id, Func<string?> token) => new(NatsOpts.Default with
    {
        Url = $"tls://127.0.0.1:{_server!.Port}",
        ConnectTimeout = TimeSpan.FromSeconds(10),
        InboxPrefix = Identity.Policy.NatsPermissions.InboxPrefixOf(id),
        TlsOpts = NatsServerTls.For(CalloutWorld.TrustDomain, () => _world.Bundles, TimeProvider.System),
        AuthOpts = new NatsAuthOpts
        {
            AuthCredCallback = (_, _) => ValueTask.FromResult(token() is { } text ? NatsAuthCred.FromToken(text) : default),
        },
    });

    private async Task RefusedAsync(string? token)
    {
        await using var client = Client(CalloutWorld.Subscriber, () => token);
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
