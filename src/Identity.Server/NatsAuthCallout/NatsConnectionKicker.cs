using System.Collections.Concurrent;
using System.Threading.Channels;
using Identity.Server.DecisionPoints;
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
    private static readonly TimeSpan LongestWait = TimeSpan.FromDays(1);

    // A login judged before the change may reach nats-server after the first sweep; by then its server has stopped waiting for answers.
    private static readonly TimeSpan SecondSweepAfter = TimeSpan.FromSeconds(NatsServerConfiguration.AuthorizationTimeoutSeconds + 0.5);
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(1);

    /// <summary>After a start: agents are back and have told what they run, or they were away for longer than their admissions outlive them.</summary>
    internal static readonly TimeSpan AgentsAreBackAfter = TimeSpan.FromSeconds(30);

    private readonly ConcurrentDictionary<SpiffeId, long> _due = [];
    private readonly Queue<Sweep> _second = new();
    private readonly RecordingBound _faultsLogged = new(60);
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
        while (true)
        {
            try
            {
                await WatchAsync(stoppingToken);
            }
            catch (Exception) when (stoppingToken.IsCancellationRequested)
            {
                // Whatever the connection says when it is torn down: we are stopping.
                return;
            }
#pragma warning disable CA1031 // Whatever it was: sessions that nobody ends any more would keep what was taken from them.
            catch (Exception e)
#pragma warning restore CA1031
            {
                StartsAnew(e.GetType().Name);
            }

            // What came meanwhile was heard by nobody. Who is remembered is compared again by the first facts; of the others nothing is known.
            Review();
            _strangersAreDue |= granted.MayMissSome;
            try
            {
                await Task.Delay(RetryAfter, time, stoppingToken);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    // One of the three alone is worth nothing: when it ends, all do.
    private async Task WatchAsync(CancellationToken stopping)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        await using var connection = new NatsConnection(ConnectionOptions(ended.Token));
        var wasOpen = false;
        connection.ConnectionOpened += (_, _) =>
        {
            if (wasOpen) Review();
            wasOpen = true;
            return ValueTask.CompletedTask;
        };
        Task[] all = [CollectEndedAsync(ended.Token), CollectOutdatedAsync(ended.Token), SweepAsync(connection, ended.Token)];
        try
        {
            await await Task.WhenAny(all);
        }
        finally
        {
            await ended.CancelAsync();
            await Task.WhenAll(all).ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
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
            // Each as it is found: comparing all of them may take a while.
            foreach (var id in granted.TakeOutdated(facts, CannotTell)) End(id);

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

                    if (due.Length > 0) _second.Enqueue(sweep.Again(time.GetUtcNow() + SecondSweepAfter));
                }
            }

            // 3. Nothing is left to do about this number: a later process need not know of it.
            if (!failed && !mayHaveMissed && _second.Count == 0) mark.Write((ulong)collected);

            var next = failed ? time.GetUtcNow() + RetryAfter : Earlier(reviewAgainAt, _second.TryPeek(out var first) ? first.DueAt : null);
            await WaitAsync(next, stopping);
            while (_second.TryPeek(out first) && first.DueAt <= time.GetUtcNow())
            {
                // Taken off only then: when another of the loops dies meanwhile it is still to be done.
                var done = await TryRunAsync(connection, first, stopping);
                _second.Dequeue();
                if (done) continue;
                foreach (var id in first.Ids) End(SpiffeId.Parse(id));
            }
        }
    }

    private bool IsEntitled(SpiffeId id, bool agentsMayBeMissing)
    {
        try
        {
            var facts = backend.Facts;
            return LoginGrant.For(id, facts, time.GetUtcNow()) is LoginGrant.Allowed
                || (agentsMayBeMissing && facts.StandingOf(id) is LoginStanding.Refused { IsUnreported: true });
        }
#pragma warning disable CA1031 // Whatever it was: a right that cannot be evaluated is none, and the others are looked at.
        catch (Exception e)
#pragma warning restore CA1031
        {
            CannotTell(e);
            return false;
        }
    }

    private void CannotTell(Exception fault)
    {
        if (_faultsLogged.HasRoom(time)) CannotCompare(fault.GetType().Name);
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
#pragma warning disable CA1031 // The network's fault, an answer that no nats-server gives, or ours: who was to be ended is to be ended still.
        catch (Exception e) when (!stopping.IsCancellationRequested)
#pragma warning restore CA1031
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

    [LoggerMessage(Level = LogLevel.Error, Message = "Cannot tell whether a NATS session may go on ({Fault}); it is ended")]
    private partial void CannotCompare(string fault);

    [LoggerMessage(Level = LogLevel.Error, Message = "Watching NATS sessions failed ({Fault}); it starts anew, and every session is looked at")]
    private partial void StartsAnew(string fault);

    [LoggerMessage(Level = LogLevel.Information, Message = "Ended {Count} NATS connections; what their identities may do has changed")]
    private partial void Kicked(int count);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Cannot end NATS connections yet ({Fault}); trying again until it works")]
    private partial void CannotKick(string fault);
}
