using Identity.Testing.Nats;
using Spiffe.Net;

namespace Identity.Tests.Server.NatsAuthCallout;

/// <summary>
/// Real nats-servers with JetStream for tests of rights: an operator and a worker log in, and speak the protocol by hand, as an attacker would.
/// </summary>
public abstract class NatsRightsTest : IAsyncLifetime
{
    private static readonly SpiffeId Operator = SpiffeId.Parse("spiffe://example.org/operator");
    private static readonly SpiffeId Worker = SpiffeId.Parse("spiffe://example.org/worker");

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

    private readonly RunningCallout _callout = new();
    private readonly List<IAsyncDisposable> _clients = [];

    private protected CancellationToken Stop => _callout.Stop;

    private protected IEnumerable<Identity.V1.Decision> Decisions => _callout.World.Decisions;

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        foreach (var client in _clients) await client.DisposeAsync();
        await _callout.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    private protected async Task<(RightsClient Admin, RightsClient Worker)> StartAsync(NatsRelease release, bool newAcknowledgements, string capabilities, string? forbidden = null)
    {
        _callout.World.Change(TestPolicy.Of($$"""
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
        await _callout.StartAsync(release, change: text =>
        {
            Assert.Contains("APP {}", text, StringComparison.Ordinal);
            return text.Replace("APP {}", "APP { jetstream: enabled }", StringComparison.Ordinal)
                + $"jetstream {{ store_dir: \"{_callout.Folder}/jetstream\", max_mem: 64MB, max_file: 64MB }}\n"
                + (newAcknowledgements ? "feature_flags { js_ack_fc_v2: true }\n" : "");
        });
        return (await ConnectAsync(Operator), await ConnectAsync(Worker));
    }

    private async Task<RightsClient> ConnectAsync(SpiffeId id)
    {
        var connection = _callout.Client(id);
        var client = new RightsClient(connection, Stop);
        _clients.Add(client);
        await connection.ConnectAsync();
        return client;
    }
}
