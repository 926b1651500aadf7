using Identity.Server.NatsAuthCallout;
using Identity.Testing.Nats;
using Microsoft.Extensions.Logging.Abstractions;
using NATS.Client.Core;
using Spiffe.Net;

namespace Identity.Tests.Server.NatsAuthCallout;

/// <summary>
/// Real nats-servers with JetStream for tests of rights: an operator and a worker log in, and speak the protocol by hand, as an attacker would.
/// </summary>
public abstract class NatsRightsTest : IAsyncLifetime
{
    internal static readonly TimeSpan Deadline = TimeSpan.FromSeconds(20);
    private static readonly SpiffeId Operator = SpiffeId.Parse("spiffe://example.org/operator");
    private static readonly SpiffeId Worker = SpiffeId.Parse("spiffe://example.org/worker");
    private static readonly SpiffeId ServerId = SpiffeId.Parse("spiffe://example.org/nats-server");

    private const string OperatorRules = """
          - name: operator
            effect: permit
            subjects: [{ spiffeId: spiffe://example.org/operator }]
            capabilities:
              - { stream: ORDERS, access: [info, read, consume, purge, manage] }
              - { stream: PAYROLL, access: [info, consume, manage] }
              - { consumer: ORDERS/worker, access: [manage] }
              - { consumer: ORDERS/audit, access: [manage] }
              - { consumer: PAYROLL/worker, access: [manage] }
              - { bucket: settings, access: [read, write, watch, manage] }
              - { bucket: secrets, access: [read, write, manage] }
              - { natsPublish: orders.> }
              - { natsPublish: payroll.> }
              - { natsPublish: requests.> }
              - { natsSubscribe: answers.> }
        """;

    private readonly CalloutWorld _world = new(TimeProvider.System.GetUtcNow());
    private readonly string _folder = Directory.CreateTempSubdirectory("rights-").FullName;
    private protected readonly CancellationTokenSource _stop = new();
    private readonly List<IAsyncDisposable> _clients = [];
    private NatsServerProcess? _server;
    private NatsAuthCalloutService? _service;
    private NatsConnectionKicker? _kicker;

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        foreach (var client in _clients) await client.DisposeAsync();
        if (_service is not null) await _service.StopAsync(CancellationToken.None);
        _stop.Cancel();
        if (_server is not null) await _server.DisposeAsync();
        _service?.Dispose();
        _kicker?.Dispose();
        _stop.Dispose();
        _world.Dispose();
        Directory.Delete(_folder, recursive: true);
        GC.SuppressFinalize(this);
    }

    private protected async Task<(RightsClient Admin, RightsClient Worker)> StartAsync(NatsRelease release, bool newAcknowledgements, string capabilities, string? forbidden = null)
    {
        _world.Change(TestPolicy.Of($$"""
            kind: CapabilityPolicy
            name: rights
            rules:
              - name: worker
                effect: permit
                subjects: [{ spiffeId: spiffe://example.org/worker }]
                capabilities: [{{capabilities}}]
            {{(forbidden is null ? "" : $"  - {{ name: forbidden, effect: forbid, subjects: [{{ spiffeId: {Worker} }}], capabilities: [{forbidden}] }}")}}
            {{OperatorRules}}
            """));
        var (certificate, key) = _world.X509.WriteServer(_folder, ServerId, TimeProvider.System.GetUtcNow());
        Assert.True(NatsServerConfiguration.TryWrite(_world.Keys, "127.0.0.1:-1", certificate, key, out var text, out var problem), problem);
        text = text.Replace("APP {}", "APP { jetstream: enabled }", StringComparison.Ordinal)
            + $"jetstream {{ store_dir: \"{_folder}/jetstream\", max_mem: 64MB, max_file: 64MB }}\n"
            + (newAcknowledgements ? "feature_flags { js_ack_fc_v2: true }\n" : "");
        Assert.Contains("jetstream: enabled", text, StringComparison.Ordinal);
        _server = await NatsServerProcess.StartAsync(NatsServerBinary.Get(release), text, _stop.Token);

        var options = new NatsAuthCalloutOptions { TrustDomain = CalloutWorld.TrustDomain, Folder = _folder, Url = new Uri($"tls://127.0.0.1:{_server.Port}") };
        var granted = new GrantedLogins(options.MaxSession, TimeProvider.System);
        _kicker = new NatsConnectionKicker(_world.Responder, _world, granted, new SweptMark(_folder), options, TimeProvider.System, NullLogger<NatsConnectionKicker>.Instance);
        _service = new NatsAuthCalloutService(_world.Responder, _world.Keys, _world, granted, _kicker, options, TimeProvider.System, NullLogger<NatsAuthCalloutService>.Instance);
        await _service.StartAsync(_stop.Token);
        using var deadline = new CancellationTokenSource(Deadline);
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(10));
        while (_service.Problem is not null) await timer.WaitForNextTickAsync(deadline.Token);
        return (await ConnectAsync(Operator), await ConnectAsync(Worker));
    }

    private async Task<RightsClient> ConnectAsync(SpiffeId id)
    {
        var connection = new NatsConnection(NatsOpts.Default with
        {
            Url = $"tls://127.0.0.1:{_server!.Port}",
            ConnectTimeout = TimeSpan.FromSeconds(10),
            InboxPrefix = Identity.Policy.NatsPermissions.InboxPrefixOf(id),
            TlsOpts = NatsServerTls.For(CalloutWorld.TrustDomain, () => _world.Bundles, TimeProvider.System),
            AuthOpts = new NatsAuthOpts { AuthCredCallback = (_, _) => ValueTask.FromResult(NatsAuthCred.FromToken(_world.Token(id, TimeProvider.System.GetUtcNow()))) },
        });
        var client = new RightsClient(connection, _stop.Token);
        _clients.Add(client);
        await connection.ConnectAsync();
        return client;
    }
}
