using System.Collections.Concurrent;
using System.Text.Json;
using System.Threading.Channels;
using NATS.Client.Core;
using Spiffe.Net;

namespace Identity.Server.NatsAuthCallout;

/// <summary>
/// Ends the connections of identities whose ground is gone or has changed, on every nats-server. It logs in to the system account
/// through the callout itself, with a JWT-SVID of our own. By the time it acts the callout answers by the new facts, so that whoever
/// comes back comes with what it may have now. Whenever it meets nats-server again it reviews every session, so that a change which this
/// process did not live to act upon, or which came while the two were apart, is acted upon then.
/// </summary>
internal sealed partial class NatsConnectionKicker(
    NatsAuthCalloutResponder responder,
    INatsLoginBackend backend,
    GrantedLogins granted,
    SweptMark mark,
    NatsAuthCalloutOptions options,
    TimeProvider time,
    ILogger<NatsConnectionKicker> logger) : BackgroundService
{
    // A login judged before the change may reach nats-server after the first sweep; by then its server has stopped waiting for answers.
    private static readonly TimeSpan LongestWait = TimeSpan.FromDays(1);

    private static readonly TimeSpan SecondSweepAfter = TimeSpan.FromSeconds(NatsServerConfiguration.AuthorizationTimeoutSeconds + 0.5);
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(1);

    /// <summary>After a start: agents are back and have told what they run, or they were away for longer than their admissions outlive them.</summary>
    internal static readonly TimeSpan AgentsAreBackAfter = TimeSpan.FromSeconds(30);

    private readonly ConcurrentDictionary<SpiffeId, long> _due = [];
    private readonly Channel<bool> _wake = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private long _ends;
    private volatile bool _strangersAreDue;
    private volatile bool _isReviewDue;
    private long _collected = -1;
    private bool _isFailing;
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

    /// <summary>Looks at every session soon, and ends those that would be refused now. For whenever nats-server was out of reach.</summary>
    public void Review()
    {
        _isReviewDue = true;
        _wake.Writer.TryWrite(true);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            await using var connection = new NatsConnection(ConnectionOptions(stoppingToken));
            var wasOpen = false;
            connection.ConnectionOpened += (_, _) =>
            {
                if (wasOpen) Review();
                wasOpen = true;
                return ValueTask.CompletedTask;
            };
            await Task.WhenAll(CollectEndedAsync(stoppingToken), CollectOutdatedAsync(stoppingToken), SweepAsync(connection, stoppingToken));
        }
        catch (Exception) when (stoppingToken.IsCancellationRequested)
        {
            // Whatever the connection says when it is torn down: we are stopping.
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
            try
            {
                foreach (var id in granted.TakeOutdated(facts)) End(id);
            }
#pragma warning disable CA1031 // Whatever it was: who was to be ended is found when each session is looked at, and the next change is looked at too.
            catch (Exception e) when (!stopping.IsCancellationRequested)
#pragma warning restore CA1031
            {
                CannotCompare(e.GetType().Name);
                Review();
            }

            // What a session of an earlier process was granted is not known, so a change of the facts counts as a change of it.
            // Our own start is no such change: nobody is cut because identityd was restarted.
            if (!isFirst && granted.MayMissSome)
            {
                _strangersAreDue = true;
            }

            isFirst = false;

            // Last: whoever sees this number sees all that is to be done about it.
            Interlocked.Exchange(ref _collected, (long)facts.Revision);
            _wake.Writer.TryWrite(true);
        }
    }

    private async Task SweepAsync(NatsConnection connection, CancellationToken stopping)
    {
        var agentsAreBackAt = time.GetUtcNow() + AgentsAreBackAfter;
        DateTimeOffset? reviewAgainAt = null;
        var mayHaveMissed = true;
        var second = new Queue<Sweep>();
        while (true)
        {
            // 1. What is there to do? The number first: all that belongs to it is there to be seen by now.
            var collected = Interlocked.Read(ref _collected);
            if (reviewAgainAt <= time.GetUtcNow()) _isReviewDue = true;
            var due = _due.ToArray();
            var review = _isReviewDue && collected >= 0;

            // Until nats-server was met for the first time, a change that an earlier process did not act upon may be waiting.
            var strangers = _strangersAreDue || (review && mayHaveMissed && mark.Read() < (ulong)collected);
            var failed = false;
            if (due.Length > 0 || strangers || review)
            {
                // 2. Do it, or keep it for the next try.
                _strangersAreDue = false;
                if (review) _isReviewDue = false;
                var at = time.GetUtcNow();
                var sweep = new Sweep([.. due.Select(d => d.Key.ToString())], strangers ? granted : null, review ? id => IsEntitled(id, at < agentsAreBackAt) : null);
                failed = !await TryRunAsync(connection, sweep, stopping);
                if (failed)
                {
                    _strangersAreDue |= strangers;
                    _isReviewDue |= review;
                }
                else
                {
                    foreach (var done in due) _due.TryRemove(done);
                    if (review)
                    {
                        mayHaveMissed = false;
                        reviewAgainAt = at < agentsAreBackAt ? agentsAreBackAt : null;
                    }

                    if (due.Length > 0) second.Enqueue(sweep.Again(time.GetUtcNow() + SecondSweepAfter));
                }
            }

            // 3. Nothing is left to do about this number: a later process need not know of it.
            if (!failed && !mayHaveMissed && second.Count == 0) mark.Write((ulong)collected);

            var next = failed ? time.GetUtcNow() + RetryAfter : Earlier(reviewAgainAt, second.TryPeek(out var first) ? first.DueAt : null);
            await WaitAsync(next, stopping);
            while (second.TryPeek(out first) && first.DueAt <= time.GetUtcNow())
            {
                second.Dequeue();
                if (await TryRunAsync(connection, first, stopping)) continue;
                foreach (var id in first.Ids) End(SpiffeId.Parse(id));
            }
        }
    }

    private bool IsEntitled(SpiffeId id, bool agentsMayBeMissing)
    {
        var facts = backend.Facts;
        return LoginGrant.For(id, facts, time.GetUtcNow()) is LoginGrant.Allowed
            || (agentsMayBeMissing && facts.StandingOf(id) is LoginStanding.Refused { IsUnreported: true });
    }

    private static DateTimeOffset? Earlier(DateTimeOffset? one, DateTimeOffset? other) => one is null || other < one ? other : one;

    private async Task<bool> TryRunAsync(NatsConnection connection, Sweep sweep, CancellationToken stopping)
    {
        try
        {
            var kicked = await sweep.RunAsync(connection, stopping);
            Interlocked.Increment(ref _sweepsDone);
            _isFailing = false;
            if (kicked > 0)
            {
                NatsCalloutTelemetry.Kicked.Add(kicked);
                Kicked(kicked);
            }

            return true;
        }
        catch (Exception e) when (!stopping.IsCancellationRequested
            && e is NatsException or TimeoutException or IOException or JsonException or OperationCanceledException)
        {
            // Told once, not once a second.
            if (!_isFailing) CannotKick(e.GetType().Name);
            _isFailing = true;
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
        // Its own timer, which may go off while it is disposed of and does no harm then; and none counts to more than some weeks.
        using var late = new CancellationTokenSource(left < LongestWait ? left : LongestWait, time);
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(stopping, late.Token);
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

    [LoggerMessage(Level = LogLevel.Error, Message = "Cannot tell whose NATS login a change has outdated ({Fault}); every session is looked at instead")]
    private partial void CannotCompare(string fault);

    [LoggerMessage(Level = LogLevel.Information, Message = "Ended {Count} NATS connections; what their identities may do has changed")]
    private partial void Kicked(int count);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Cannot end NATS connections yet ({Fault}); trying again until it works")]
    private partial void CannotKick(string fault);
}
