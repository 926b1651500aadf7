using System.Collections.Concurrent;
using Spiffe.Net;

namespace Identity.Server.NatsAuthCallout;

/// <summary>
/// What living sessions were granted when they logged in, by SPIFFE ID. Kept in memory: of sessions that an earlier process let in
/// only whose they are can be learned (<see cref="Recall"/>), and not what they were granted until the last of them has run out.
/// </summary>
/// <param name="maxSession">No session is longer.</param>
internal sealed class GrantedLogins(TimeSpan maxSession, TimeProvider time)
{
    /// <summary>Design size is 100,000 admissions; what does not fit is treated like a session of an earlier process.</summary>
    private const int MaxRemembered = 250_000;

    // Records are in the order in which they were written, and the clock may have been set back meanwhile.
    private static readonly TimeSpan MostClockDifference = TimeSpan.FromMinutes(5);

    private readonly ConcurrentDictionary<SpiffeId, Granted> _granted = [];
    private readonly ConcurrentDictionary<SpiffeId, DateTimeOffset> _earlier = [];
    private readonly DateTimeOffset _earlierUntil = time.GetUtcNow() + maxSession;
    private long _overflowUntil;
    private volatile bool _isRecalled;

    /// <summary>Whether there may be a session of which it is not remembered here what it was granted.</summary>
    public bool MayMissSome => time.GetUtcNow() < Later(_earlierUntil, OverflowUntil);

    /// <summary>When the last session has run out of which it may not be known here whose it is; in the past when there is none.</summary>
    public DateTimeOffset MayMissIdsUntil => _isRecalled ? OverflowUntil : Later(_earlierUntil, OverflowUntil);

    private DateTimeOffset OverflowUntil => new(Interlocked.Read(ref _overflowUntil), TimeSpan.Zero);

    /// <summary>Whether it is remembered what this identity was granted.</summary>
    public bool Knows(string spiffeId) => SpiffeId.TryParse(spiffeId, out var id, out _) && _granted.ContainsKey(id);

    /// <summary>Who may have a session.</summary>
    public IEnumerable<SpiffeId> Ids()
    {
        foreach (var (id, expiresAt) in _earlier)
        {
            if (expiresAt <= time.GetUtcNow()) _earlier.TryRemove(id, out _);
            else if (!_granted.ContainsKey(id)) yield return id;
        }

        foreach (var id in _granted.Keys) yield return id;
    }

    /// <summary>
    /// Learns whom an earlier process let in. No login was answered before it was recorded, so that nobody is missing in the records; some in them may be gone.
    /// </summary>
    /// <param name="newestFirst">All credentials that were recorded.</param>
    public void Recall(IEnumerable<IssuanceRecord> newestFirst)
    {
        var now = time.GetUtcNow();
        foreach (var issued in newestFirst)
        {
            // Nothing that was recorded earlier can be in use still.
            if (issued.At.ToDateTimeOffset() < now - maxSession - MostClockDifference) break;
            if (issued.Kind != IssuanceRecord.Types.Kind.NatsUserJwt || issued.NotAfter.ToDateTimeOffset() is var expiresAt && expiresAt <= now) continue;
            if (!SpiffeId.TryParse(issued.SpiffeId, out var id, out _)) continue;
            if (_earlier.Count >= MaxRemembered && !_earlier.ContainsKey(id)) Overflow(expiresAt);
            else _earlier.AddOrUpdate(id, expiresAt, (_, known) => Later(known, expiresAt));
        }

        _isRecalled = true;
    }

    /// <summary>To be called before the login is answered.</summary>
    /// <returns>False when the login does not rest on what <paramref name="now"/> holds, or other sessions of this identity do not.</returns>
    public bool TryRemember(CalloutJudgement.Admitted login, LoginFacts now)
    {
        if (login.Grant is not { } grant) return true; // our own

        var isAlone = true;
        if (_granted.Count >= MaxRemembered && !_granted.ContainsKey(login.Id)) Forget(login);
        else
        {
            _granted.AddOrUpdate(login.Id, new Granted(grant, login.ExpiresAt), (_, known) =>
            {
                isAlone = known.Grant == grant;
                return new Granted(grant, known.ExpiresAt > login.ExpiresAt ? known.ExpiresAt : login.ExpiresAt);
            });
        }

        // The facts may have changed since the login was judged, and whoever looked through this table then did not find it.
        return isAlone && StillHolds(login.Id, grant, now);
    }

    /// <summary>Those whose sessions rest on something that does not hold any more, as each is found; it is forgotten here.</summary>
    /// <param name="cannotTell">Hears of whom it cannot be told whether it holds; then it does not.</param>
    public IEnumerable<SpiffeId> TakeOutdated(LoginFacts facts, Action<Exception>? cannotTell = null)
    {
        foreach (var entry in _granted)
        {
            var (id, granted) = entry;
            if (granted.ExpiresAt <= time.GetUtcNow()) _granted.TryRemove(entry);
            else if (!StillHolds(id, granted.Grant, facts, cannotTell))
            {
                _granted.TryRemove(entry);
                yield return id;
            }
        }
    }

    private bool StillHolds(SpiffeId id, LoginGrant.Allowed grant, LoginFacts facts, Action<Exception>? cannotTell = null)
    {
        try
        {
            return grant == LoginGrant.For(id, facts, time.GetUtcNow());
        }
#pragma warning disable CA1031 // Whatever it was: a right that cannot be evaluated is none, and nobody else's is kept for it.
        catch (Exception e)
#pragma warning restore CA1031
        {
            cannotTell?.Invoke(e);
            return false;
        }
    }

    private void Forget(CalloutJudgement.Admitted login)
    {
        foreach (var entry in _granted)
        {
            if (entry.Value.ExpiresAt <= time.GetUtcNow()) _granted.TryRemove(entry);
        }

        Overflow(login.ExpiresAt);
    }

    private void Overflow(DateTimeOffset expiresAt)
    {
        var until = expiresAt.UtcTicks;
        for (var known = Interlocked.Read(ref _overflowUntil); known < until;)
        {
            var seen = Interlocked.CompareExchange(ref _overflowUntil, until, known);
            if (seen == known) return;
            known = seen;
        }
    }

    private static DateTimeOffset Later(DateTimeOffset one, DateTimeOffset other) => one > other ? one : other;

    private sealed record Granted(LoginGrant.Allowed Grant, DateTimeOffset ExpiresAt);
}
