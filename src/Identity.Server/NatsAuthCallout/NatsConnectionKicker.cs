using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using System.Threading.Channels;
using NATS.Client.Core;
using Spiffe.Net;

namespace Identity.Server.NatsAuthCallout;

/// <summary>
/// Ends the connections of an identity on every nats-server. It logs in to the system account through the callout itself, with a
/// JWT-SVID of our own. By the time it acts the callout already refuses that identity, so that nobody kicked comes back.
/// </summary>
internal sealed partial class NatsConnectionKicker(
    NatsAuthCalloutResponder responder,
    INatsLoginBackend backend,
    NatsAuthCalloutOptions options,
    TimeProvider time,
    ILogger<NatsConnectionKicker> logger) : BackgroundService
{
    // A login judged before the end may reach nats-server after the first sweep; by then its server has stopped waiting for answers.
    private static readonly TimeSpan SecondSweepAfter = TimeSpan.FromSeconds(NatsServerConfiguration.AuthorizationTimeoutSeconds + 0.5);
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(1);

    // How long to wait for one more server to answer. Each is acted upon as it answers, so this delays no kick.
    private static readonly TimeSpan LastAnswerAfter = TimeSpan.FromMilliseconds(500);

    private const int MaxRounds = 16;
    private const int PageSize = 1024;

    private static readonly NatsSubOpts KickAnswer = new() { Timeout = TimeSpan.FromSeconds(2) };

    private readonly ConcurrentDictionary<SpiffeId, DateTimeOffset> _due = [];
    private readonly Channel<bool> _wake = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            await using var connection = new NatsConnection(ConnectionOptions(stoppingToken));
            await Task.WhenAll(CollectAsync(stoppingToken), SweepAsync(connection, stoppingToken));
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopping.
        }
    }

    private async Task CollectAsync(CancellationToken stopping)
    {
        await foreach (var id in backend.WatchEndedAsync(stopping))
        {
            var first = time.GetUtcNow();
            _due.AddOrUpdate(id, first, (_, _) => first);
            _wake.Writer.TryWrite(true);
        }
    }

    private async Task SweepAsync(NatsConnection connection, CancellationToken stopping)
    {
        var second = new Dictionary<SpiffeId, DateTimeOffset>();
        while (true)
        {
            var failed = false;
            foreach (var (id, since) in _due)
            {
                try
                {
                    await KickAsync(connection, id, stopping);
                    if (_due.TryRemove(new KeyValuePair<SpiffeId, DateTimeOffset>(id, since))) second[id] = since + SecondSweepAfter;
                }
                catch (Exception e) when (e is NatsException or TimeoutException or IOException or JsonException or OperationCanceledException
                    && !stopping.IsCancellationRequested)
                {
                    failed = true;
                    CannotKick(id, e.GetType().Name);
                }
            }

            await WaitAsync(failed ? time.GetUtcNow() + RetryAfter : second.Count > 0 ? second.Values.Min() : null, stopping);
            foreach (var (id, due) in second.Where(s => s.Value <= time.GetUtcNow()).ToArray())
            {
                second.Remove(id);
                await KickQuietlyAsync(connection, id, stopping);
            }
        }
    }

    private async Task KickQuietlyAsync(NatsConnection connection, SpiffeId id, CancellationToken stopping)
    {
        try
        {
            await KickAsync(connection, id, stopping);
        }
        catch (Exception e) when (e is NatsException or TimeoutException or IOException or JsonException or OperationCanceledException
            && !stopping.IsCancellationRequested)
        {
            CannotKick(id, e.GetType().Name);
            _due.TryAdd(id, time.GetUtcNow());
        }
    }

    /// <summary>Ends what is there now, on every server that answers.</summary>
    internal async Task KickAsync(NatsConnection connection, SpiffeId id, CancellationToken cancellation)
    {
        for (var round = 0; round < MaxRounds; round++)
        {
            var (kicked, more) = await KickPageAsync(connection, id, cancellation);
            if (kicked > 0)
            {
                NatsCalloutTelemetry.Kicked.Add(kicked);
                Kicked(kicked, id);
            }

            if (!more || kicked == 0) return;
        }
    }

    private static async Task<(int Kicked, bool More)> KickPageAsync(NatsConnection connection, SpiffeId id, CancellationToken cancellation)
    {
        // A SPIFFE ID has no character that JSON would escape.
        var question = Encoding.UTF8.GetBytes($$"""{"auth":true,"user":"{{id}}","acc":"{{NatsAuthCalloutResponder.ApplicationAccount}}","limit":{{PageSize}}}""");
        var wait = new NatsSubOpts { StartUpTimeout = TimeSpan.FromSeconds(2), IdleTimeout = LastAnswerAfter, ThrowIfNoResponders = true };
        int answers = 0, kicked = 0;
        var more = false;
        await foreach (var reply in connection.RequestManyAsync<byte[], byte[]>("$SYS.REQ.SERVER.PING.CONNZ", question, replyOpts: wait, cancellationToken: cancellation))
        {
            if (reply.Data is null) continue;
            answers++;
            using var answer = JsonDocument.Parse(reply.Data);
            var server = answer.RootElement.GetProperty("server").GetProperty("id").GetString()!;
            if (!answer.RootElement.TryGetProperty("data", out var data) || !data.TryGetProperty("connections", out var connections)) continue;
            more |= connections.GetArrayLength() >= PageSize;
            foreach (var connected in connections.EnumerateArray())
            {
                // The filter is nats-server's; what is ended is checked by us.
                if (connected.TryGetProperty("authorized_user", out var user) && user.ValueEquals(id.ToString()))
                {
                    var kick = Encoding.UTF8.GetBytes($$"""{"cid":{{connected.GetProperty("cid").GetUInt64()}}}""");

                    // A request, not a publish: nats-server does nothing for somebody who does not ask for an answer. Its answer is an
                    // error when the connection is gone already, which is as good.
                    await connection.RequestAsync<byte[], byte[]>($"$SYS.REQ.SERVER.{server}.KICK", kick, replyOpts: KickAnswer, cancellationToken: cancellation);
                    kicked++;
                }
            }
        }

        return answers > 0 ? (kicked, more) : throw new TimeoutException("no nats-server told its connections");
    }

    private async Task WaitAsync(DateTimeOffset? until, CancellationToken stopping)
    {
        if (until is not { } end)
        {
            await _wake.Reader.ReadAsync(stopping);
            return;
        }

        var left = end - time.GetUtcNow();
        if (left <= TimeSpan.Zero) return;
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        using var timer = time.CreateTimer(static source => ((CancellationTokenSource)source!).Cancel(), deadline, left, Timeout.InfiniteTimeSpan);
        try
        {
            await _wake.Reader.ReadAsync(deadline.Token);
        }
        catch (OperationCanceledException) when (!stopping.IsCancellationRequested)
        {
            // The time has come.
        }
    }

    private NatsOpts ConnectionOptions(CancellationToken stopping) => NatsOpts.Default with
    {
        Name = "identityd sessions",
        Url = options.Url.ToString(),
        InboxPrefix = Identity.Policy.NatsPermissions.InboxPrefixOf(responder.OwnId),
        AuthOpts = new NatsAuthOpts
        {
            AuthCredCallback = async (_, _) => NatsAuthCred.FromToken(await backend.MintOwnTokenAsync(responder.OwnId, responder.Audience, stopping)),
        },
        TlsOpts = NatsServerTls.For(options.TrustDomain, () => backend.Facts.Bundles, time),
        IgnoreAuthErrorAbort = true,
        ReconnectWaitMin = TimeSpan.FromMilliseconds(200),
        ReconnectWaitMax = TimeSpan.FromSeconds(2),
    };

    [LoggerMessage(Level = LogLevel.Information, Message = "Ended {Count} NATS connections of {SpiffeId}")]
    private partial void Kicked(int count, SpiffeId spiffeId);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Cannot end the NATS connections of {SpiffeId} yet ({Fault}); trying again")]
    private partial void CannotKick(SpiffeId spiffeId, string fault);
}
