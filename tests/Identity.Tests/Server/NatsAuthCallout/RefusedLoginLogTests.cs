using Identity.Server.NatsAuthCallout;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Testing;
using Spiffe.Net;

namespace Identity.Tests.Server.NatsAuthCallout;

/// <summary>Whoever reaches nats-server fills no log; who is proven and refused is always told.</summary>
public sealed class RefusedLoginLogTests : IDisposable
{
    private readonly CalloutWorld _world = new(TimeProvider.System.GetUtcNow());
    private readonly FakeNatsServer _server = new();
    private readonly FakeLogger<NatsAuthCalloutService> _log = new();
    private readonly string _folder = Directory.CreateTempSubdirectory("callout-").FullName;

    [Fact]
    public async Task Of_many_logins_that_prove_nobody_few_are_logged_and_each_is_answered()
    {
        using var kicker = Kicker();
        using var service = Service(kicker);
        var now = TimeProvider.System.GetUtcNow();
        for (var at = 0; at < 200; at++) Assert.NotNull(await AnswerAsync(service, _server.Sealed(_world, _server.Request(_world, "garbage", now))));
        for (var at = 0; at < 200; at++) Assert.Null(await AnswerAsync(service, new byte[100]));
        Assert.Equal(60, _log.Collector.Count);

        // Each of those who prove somebody.
        var stranger = _world.Token(SpiffeId.Parse("spiffe://example.org/stranger"), now);
        for (var at = 0; at < 100; at++) Assert.NotNull(await AnswerAsync(service, _server.Sealed(_world, _server.Request(_world, stranger, now))));
        Assert.Equal(160, _log.Collector.Count);
        Assert.Equal(300, _world.Decisions.Count);
    }

    public void Dispose()
    {
        _server.Dispose();
        _world.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private Task<byte[]?> AnswerAsync(NatsAuthCalloutService service, byte[] body) =>
        service.AnswerAsync(body, _server.Curve.GetPublicKey(), TestContext.Current.CancellationToken);

    private NatsConnectionKicker Kicker() => new(
        _world.Responder, _world, Granted, new SweptMark(_folder), Options, TimeProvider.System, NullLogger<NatsConnectionKicker>.Instance);

    private NatsAuthCalloutService Service(NatsConnectionKicker kicker) => new(_world.Responder, _world.Keys, _world, Granted, kicker, Options, TimeProvider.System, _log);

    private GrantedLogins Granted { get; } = new(TimeSpan.FromHours(1), TimeProvider.System);

    private NatsAuthCalloutOptions Options => new() { TrustDomain = CalloutWorld.TrustDomain, Folder = _folder, Url = new Uri("tls://127.0.0.1:1") };
}
