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

    private readonly CalloutWorld _world = new(TimeProvider.System.GetUtcNow());
    private readonly string _folder = Directory.CreateTempSubdirectory("callout-").FullName;
    private readonly CancellationTokenSource _stop = new();
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
        var options = new NatsAuthCalloutOptions { TrustDomain = CalloutWorld.TrustDomain, Folder = _folder, Url = new Uri($"tls://127.0.0.1:{_server.Port}") };
        keys ??= _world.Keys;
        var responder = new NatsAuthCalloutResponder(keys, CalloutWorld.TrustDomain, options.MaxSession);
        _service = new NatsAuthCalloutService(responder, keys, _world, options, TimeProvider.System, NullLogger<NatsAuthCalloutService>.Instance);
        _kicker = new NatsConnectionKicker(responder, _world, options, TimeProvider.System, NullLogger<NatsConnectionKicker>.Instance);
        await _service.StartAsync(_stop.Token);
        if (!waitForService) return;
        await AnsweringAsync();
        await _kicker.StartAsync(_stop.Token);
    }

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
}
