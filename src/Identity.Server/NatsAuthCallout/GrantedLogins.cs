using System.Collections.Concurrent;
using Spiffe.Net;

namespace Identity.Server.NatsAuthCallout;

/// <summary>
/// What living sessions were granted when they logged in, by SPIFFE ID. Kept in memory: of sessions that an earlier process let in
/// nothing is known until the last of them has run out.
/// </summary>
internal sealed class GrantedLogins(TimeSpan maxSession, TimeProvider time)
{
    /// <summary>Design size is 100,000 admissions; what does not fit is treated like a session of an earlier process.</summary>
    private const int MaxRemembered = 250_000;

    private readonly ConcurrentDictionary<SpiffeId, Granted> _granted = [];
    private long _unknownUntil = (time.GetUtcNow() + maxSession).UtcTicks;

    /// <summary>Whether there may be a session that is not remembered here.</summary>
    public bool MayMissSome => time.GetUtcNow() < MayMissSomeUntil;

    /// <summary>When the last session that may not be remembered here has run out.</summary>
    public DateTimeOffset MayMissSomeUntil => new(Interlocked.Read(ref _unknownUntil), TimeSpan.Zero);

    public bool Knows(string spiffeId) => SpiffeId.TryParse(spiffeId, out var id, out _) && _granted.ContainsKey(id);

    /// <summary>Whose sessions are remembered.</summary>
    public IEnumerable<SpiffeId> Ids() => _granted.Keys;

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

        var until = login.ExpiresAt.UtcTicks;
        for (var known = Interlocked.Read(ref _unknownUntil); known < until;)
        {
            var seen = Interlocked.CompareExchange(ref _unknownUntil, until, known);
            if (seen == known) return;
            known = seen;
        }
    }

    private sealed record Granted(LoginGrant.Allowed Grant, DateTimeOffset ExpiresAt);
}
