using System.Collections.Concurrent;
using System.Text.Json;
using System.Threading.Channels;
using NATS.Client.Core;
using Spiffe.Net;

namespace Identity.Server.NatsAuthCallout;

/// <summary>
/// Ends the connections of identities whose ground is gone or has changed, on every nats-server. It logs in to the system account
/// through the callout itself, with a JWT-SVID of our own. By the time it acts the callout answers by the new facts, so that whoever
/// comes back comes with what it may have now.
/// </summary>
internal sealed partial class NatsConnectionKicker(
    NatsAuthCalloutResponder responder,
    INatsLoginBackend backend,
    GrantedLogins granted,
    NatsAuthCalloutOptions options,
    TimeProvider time,
    ILogger<NatsConnectionKicker> logger) : BackgroundService
{
    // A login judged before the change may reach nats-server after the first sweep; by then its server has stopped waiting for answers.
    private static readonly TimeSpan SecondSweepAfter = TimeSpan.FromSeconds(NatsServerConfiguration.AuthorizationTimeoutSeconds + 0.5);
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<SpiffeId, long> _due = [];
    private readonly Channel<bool> _wake = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private long _ends;
    private volatile bool _strangersAreDue;
    private int _sweepsDone;

    /// <summary>How often every nats-server was looked through.</summary>
    public int SweepsDone => Volatile.Read(ref _sweepsDone);

    /// <summary>Ends its sessions soon. It may log in again with what it may have then.</summary>
    public void End(SpiffeId id)
    {
        // Each call has its own number: one that comes during a sweep is not taken for done with it.
        _due[id] = Interlocked.Increment(ref _ends);
        _wake.Writer.TryWrite(true);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            await using var connection = new NatsConnection(ConnectionOptions(stoppingToken));
            await Task.WhenAll(CollectEndedAsync(stoppingToken), CollectOutdatedAsync(stoppingToken), SweepAsync(connection, stoppingToken));
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopping.
        }
    }

    private async Task CollectEndedAsync(CancellationToken stopping)
    {
        await foreach (var id in backend.WatchEndedAsync(stopping)) End(id);
    }

    private async Task CollectOutdatedAsync(CancellationToken stopping)
    {
        var isFirst = true;
        await foreach (var facts in backend.WatchFactsAsync(stopping))
        {
            foreach (var id in granted.TakeOutdated(facts)) End(id);

            // What a session of an earlier process was granted is not known, so a change of the facts counts as a change of it.
            // Our own start is no such change: nobody is cut because identityd was restarted.
            if (!isFirst && granted.MayMissSome)
            {
                _strangersAreDue = true;
                _wake.Writer.TryWrite(true);
            }

            isFirst = false;
        }
    }

    private async Task SweepAsync(NatsConnection connection, CancellationToken stopping)
    {
        var second = new Queue<Sweep>();
        while (true)
        {
            var due = _due.ToArray();
            var strangers = _strangersAreDue;
            var failed = false;
            if (due.Length > 0 || strangers)
            {
                _strangersAreDue = false;
                var sweep = new Sweep([.. due.Select(d => d.Key.ToString())], strangers ? granted : null);
                failed = !await TryRunAsync(connection, sweep, stopping);
                if (failed) _strangersAreDue |= strangers;
                else
                {
                    foreach (var done in due) _due.TryRemove(done);
                    if (due.Length > 0) second.Enqueue(sweep.Again(time.GetUtcNow() + SecondSweepAfter));
                }
            }

            await WaitAsync(failed ? time.GetUtcNow() + RetryAfter : second.TryPeek(out var next) ? next.DueAt : null, stopping);
            while (second.TryPeek(out next) && next.DueAt <= time.GetUtcNow())
            {
                second.Dequeue();
                if (await TryRunAsync(connection, next, stopping)) continue;
                foreach (var id in next.Ids) End(SpiffeId.Parse(id));
            }
        }
    }

    private async Task<bool> TryRunAsync(NatsConnection connection, Sweep sweep, CancellationToken stopping)
    {
        try
        {
            var kicked = await sweep.RunAsync(connection, stopping);
            Interlocked.Increment(ref _sweepsDone);
            if (kicked > 0)
            {
                NatsCalloutTelemetry.Kicked.Add(kicked);
                Kicked(kicked, sweep.Ids.Count);
            }

            return true;
        }
        catch (Exception e) when (e is NatsException or TimeoutException or IOException or JsonException or OperationCanceledException
            && !stopping.IsCancellationRequested)
        {
            CannotKick(sweep.Ids.Count, e.GetType().Name);
            return false;
        }
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

    [LoggerMessage(Level = LogLevel.Information, Message = "Ended {Count} NATS connections; what {Identities} identities may do has changed")]
    private partial void Kicked(int count, int identities);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Cannot end the NATS connections of {Identities} identities yet ({Fault}); trying again")]
    private partial void CannotKick(int identities, string fault);
}
