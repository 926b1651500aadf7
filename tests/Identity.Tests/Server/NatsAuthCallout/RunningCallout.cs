using Identity.Server.NatsAuthCallout;
using Identity.Testing.Nats;
using Microsoft.Extensions.Logging.Abstractions;
using NATS.Client.Core;
using Spiffe.Net;

namespace Identity.Tests.Server.NatsAuthCallout;

/// <summary>A real nats-server with the configuration that the room generates, and the room that answers its logins.</summary>
internal sealed class RunningCallout : IAsyncDisposable
{
    public static readonly TimeSpan Deadline = TimeSpan.FromSeconds(20);

    private static readonly SpiffeId ServerId = SpiffeId.Parse("spiffe://example.org/nats-server");

    private readonly CancellationTokenSource _stop = new();

    public CalloutWorld World { get; } = new(TimeProvider.System.GetUtcNow());

    /// <summary>Deleted at the end.</summary>
    public string Folder { get; } = Directory.CreateTempSubdirectory("callout-").FullName;

    public ShiftedTime KickerTime { get; } = new();

    /// <summary>Cancelled at the end.</summary>
    public CancellationToken Stop => _stop.Token;

    public NatsServerProcess Server { get; private set; } = null!;

    public NatsAuthCalloutService Service { get; private set; } = null!;

    public NatsConnectionKicker Kicker { get; private set; } = null!;

    /// <param name="keys">The responder's; null for those that the server knows.</param>
    /// <param name="serverId">Who the server shows itself to be; null for who it should be.</param>
    /// <param name="change">Of the server's configuration.</param>
    public async Task StartAsync(
        NatsRelease release, NatsCalloutKeys? keys = null, bool waitForService = true, SpiffeId? serverId = null, Func<string, string>? change = null)
    {
        Server = await NatsServerProcess.StartAsync(NatsServerBinary.Get(release), Configuration(-1, serverId ?? ServerId, change), Stop);
        await StartServiceAsync(keys, waitForService);
    }

    /// <summary>Ends the server and starts another where it was.</summary>
    public async Task RestartServerAsync(NatsRelease release)
    {
        var port = Server.Port;
        await Server.DisposeAsync();
        Server = await NatsServerProcess.StartAsync(NatsServerBinary.Get(release), Configuration(port, ServerId, change: null), Stop);
    }

    public async Task StartServiceAsync(NatsCalloutKeys? keys = null, bool waitForService = true)
    {
        var options = new NatsAuthCalloutOptions { TrustDomain = CalloutWorld.TrustDomain, Folder = Folder, Url = new Uri($"tls://127.0.0.1:{Server.Port}") };
        keys ??= World.Keys;
        var responder = new NatsAuthCalloutResponder(keys, CalloutWorld.TrustDomain, options.MaxSession);
        var granted = new GrantedLogins(options.MaxSession, TimeProvider.System);
        Kicker = new NatsConnectionKicker(responder, World, granted, new SweptMark(Folder), options, KickerTime, NullLogger<NatsConnectionKicker>.Instance);
        Service = new NatsAuthCalloutService(responder, keys, World, granted, Kicker, options, TimeProvider.System, NullLogger<NatsAuthCalloutService>.Instance);
        await Service.StartAsync(Stop);
        if (!waitForService) return;
        await AnsweringAsync();
        await Kicker.StartAsync(Stop);

        // Sessions of before are looked at first, by whoever can log in; then nothing is left to do about the state as it is.
        if (ReferenceEquals(keys, World.Keys)) await UntilAsync(() => Kicker.SweepsDone >= 1 && new SweptMark(Folder).Read() == World.Revision);
    }

    public async Task StopServiceAsync()
    {
        await Service.StopAsync(CancellationToken.None);
        await Kicker.StopAsync(CancellationToken.None);
        Service.Dispose();
        Kicker.Dispose();
    }

    public Task AnsweringAsync() => UntilAsync(() => Service.Problem is null);

    public NatsConnection Client(SpiffeId id) => Client(id, () => World.Token(id, TimeProvider.System.GetUtcNow()));

    /// <summary>One that nats-server itself knows.</summary>
    public NatsConnection Client(NatsAuthOpts login) => new(NatsOpts.Default with
    {
        Url = $"tls://127.0.0.1:{Server.Port}",
        TlsOpts = NatsServerTls.For(CalloutWorld.TrustDomain, () => World.Bundles, TimeProvider.System),
        AuthOpts = login,
    });

    public NatsConnection Client(SpiffeId id, Func<string?> token) => new(NatsOpts.Default with
    {
        Url = $"tls://127.0.0.1:{Server.Port}",
        ConnectTimeout = TimeSpan.FromSeconds(10),
        InboxPrefix = Identity.Policy.NatsPermissions.InboxPrefixOf(id),
        TlsOpts = NatsServerTls.For(CalloutWorld.TrustDomain, () => World.Bundles, TimeProvider.System),
        AuthOpts = new NatsAuthOpts
        {
            AuthCredCallback = (_, _) => ValueTask.FromResult(token() is { } text ? NatsAuthCred.FromToken(text) : default),
        },
    });

    // A state of the service, not an event: look until it is so, within a deadline.
    public static async Task UntilAsync(Func<bool> isSo)
    {
        using var deadline = new CancellationTokenSource(Deadline);
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(10));
        while (!isSo()) await timer.WaitForNextTickAsync(deadline.Token);
    }

    public async ValueTask DisposeAsync()
    {
        if (Service is not null) await StopServiceAsync();
        await _stop.CancelAsync();
        if (Server is not null) await Server.DisposeAsync();
        _stop.Dispose();
        World.Dispose();
        Directory.Delete(Folder, recursive: true);
    }

    private string Configuration(int port, SpiffeId serverId, Func<string, string>? change)
    {
        var (certificate, key) = World.X509.WriteServer(Folder, serverId, TimeProvider.System.GetUtcNow());
        Assert.True(NatsServerConfiguration.TryWrite(World.Keys, $"127.0.0.1:{port}", certificate, key, out var text, out var problem), problem);
        return change is null ? text : change(text);
    }
}
