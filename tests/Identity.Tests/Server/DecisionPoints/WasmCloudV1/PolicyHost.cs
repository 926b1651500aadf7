// Every call here ends with the host, which the test disposes of.
#pragma warning disable xUnit1051
using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using NATS.Client.Core;

namespace Identity.Tests.Server.DecisionPoints.WasmCloudV1;

/// <summary>
/// The policy client of a wasmCloud v1 host, to its public contract: asks on the policy topic, waits one second, keeps every answer for
/// ever under kind and name, fails closed and keeps nothing when there is none, and takes what comes on the changes topic by request id.
/// </summary>
internal sealed class PolicyHost : IAsyncDisposable
{
    private readonly NatsConnection _connection;
    private readonly string _topic;
    private readonly string _key;
    private readonly string _lattice;
    private readonly ConcurrentDictionary<string, (bool Permitted, string? Message)> _decisions = new();
    private readonly ConcurrentDictionary<string, string> _keys = new();
    private readonly Channel<(string RequestId, bool Permitted)> _changes = Channel.CreateUnbounded<(string, bool)>();
    private readonly CancellationTokenSource _stop = new();
    private Task _listening = Task.CompletedTask;

    private PolicyHost(NatsConnection connection, string topic, string key, string lattice) => (_connection, _topic, _key, _lattice) = (connection, topic, key, lattice);

    /// <summary>What arrived on the changes topic and was about a question of this host.</summary>
    public ChannelReader<(string RequestId, bool Permitted)> Changes => _changes.Reader;

    public int Asked { get; private set; }

    /// <summary>What the host's operator set for <c>--policy-timeout-ms</c>; the default is one second.</summary>
    public TimeSpan PolicyTimeout { get; private init; }

    public static async Task<PolicyHost> StartAsync(int port, string topic, string? changesTopic, string key = "NHOST", string lattice = "default", TimeSpan? policyTimeout = null)
    {
        var host = new PolicyHost(new NatsConnection(NatsOpts.Default with { Url = $"nats://127.0.0.1:{port}" }), topic, key, lattice) { PolicyTimeout = policyTimeout ?? TimeSpan.FromSeconds(1) };
        await host._connection.ConnectAsync();
        if (changesTopic is null) return host;
        var subscription = await host._connection.SubscribeCoreAsync<byte[]>(changesTopic);
        await host._connection.PingAsync();
        host._listening = host.ListenAsync(subscription);
        return host;
    }

    /// <summary>What the host does before it scales a component. Null: it could not decide, and fails.</summary>
    public Task<(bool Permitted, string? Message)?> ScaleAsync(string id, string image, uint max) => EvaluateAsync(
        "startComponent", $"{id}_{image}", new JsonObject
        {
            ["componentId"] = id,
            ["imageRef"] = image,
            ["maxInstances"] = max,
            ["annotations"] = new JsonObject { ["wasmcloud.dev/managed-by"] = "wadm" },
            ["claims"] = new JsonObject { ["publicKey"] = "M", ["issuer"] = "A", ["issuedAt"] = "now", ["expiresAt"] = null, ["expired"] = false },
        });

    public Task<(bool Permitted, string? Message)?> StartProviderAsync(string id, string image) => EvaluateAsync(
        "startProvider", $"{id}_{image}", new JsonObject { ["providerId"] = id, ["imageRef"] = image, ["annotations"] = new JsonObject(), ["claims"] = null });

    public Task<(bool Permitted, string? Message)?> InvokeAsync(string id, string image, string @interface, string function) => EvaluateAsync(
        "performInvocation", $"{id}_{image}_{@interface}_{function}", new JsonObject
        {
            ["interface"] = @interface,
            ["function"] = function,
            ["target"] = new JsonObject { ["componentId"] = id, ["imageRef"] = image, ["maxInstances"] = 0, ["annotations"] = new JsonObject(), ["claims"] = null },
        });

    public Task<(bool Permitted, string? Message)?> AskUnknownAsync() => EvaluateAsync("unknown", "", null);

    /// <summary>The reply to a body as it is; null when there is none within the host's second.</summary>
    public async Task<JsonElement?> AskRawAsync(byte[] body)
    {
        try
        {
            var reply = await _connection.RequestAsync<byte[], byte[]>(_topic, body, replyOpts: new NatsSubOpts { Timeout = PolicyTimeout });
            return JsonDocument.Parse(reply.Data!).RootElement;
        }
        catch (NatsException)
        {
            return null;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _listening;
        await _connection.DisposeAsync();
        _stop.Dispose();
    }

    private async Task<(bool Permitted, string? Message)?> EvaluateAsync(string kind, string cacheKey, JsonObject? request)
    {
        cacheKey = $"{kind} {cacheKey}";
        if (_decisions.TryGetValue(cacheKey, out var known)) return known;
        Asked++;
        var requestId = Guid.NewGuid().ToString();
        var body = new JsonObject
        {
            ["requestId"] = requestId,
            ["kind"] = kind,
            ["version"] = "v1",
            ["request"] = request,
            ["host"] = new JsonObject { ["publicKey"] = _key, ["lattice"] = _lattice, ["labels"] = new JsonObject { ["hostcore.os"] = "linux" } },
        };
        if (await AskRawAsync(JsonSerializer.SerializeToUtf8Bytes(body)) is not { } reply) return null;
        var decision = (reply.GetProperty("permitted").GetBoolean(), reply.TryGetProperty("message", out var message) ? message.GetString() : null);
        _ = reply.GetProperty("requestId").GetString();
        _decisions[cacheKey] = decision;
        _keys[requestId] = cacheKey;
        return decision;
    }

    private async Task ListenAsync(INatsSub<byte[]> subscription)
    {
        try
        {
            await foreach (var message in subscription.Msgs.ReadAllAsync(_stop.Token))
            {
                var change = JsonDocument.Parse(message.Data!).RootElement;
                var requestId = change.GetProperty("requestId").GetString()!;
                if (!_keys.TryGetValue(requestId, out var key)) continue; // a warning in the host's log
                var permitted = change.GetProperty("permitted").GetBoolean();
                _decisions[key] = (permitted, change.TryGetProperty("message", out var text) ? text.GetString() : null);
                _changes.Writer.TryWrite((requestId, permitted));
            }
        }
        catch (OperationCanceledException)
        {
            // The host ends.
        }
    }
}
