namespace Spiffe.Net.WorkloadApi;

/// <summary>
/// Which peers we talk to, by SPIFFE ID. That a peer's SVID is genuine is checked before and apart from this. There is no "anyone":
/// name at least a trust domain. Immutable.
/// </summary>
public sealed class AuthorizedPeers
{
    private readonly Func<SpiffeId, bool> _admits;
    private readonly string _description;

    private AuthorizedPeers(Func<SpiffeId, bool> admits, string description)
    {
        _admits = admits;
        _description = description;
    }

    /// <summary>These and no others.</summary>
    /// <exception cref="ArgumentException">There is none.</exception>
    public static AuthorizedPeers Exactly(params IReadOnlyCollection<SpiffeId> ids)
    {
        if (ids.Count == 0) throw new ArgumentException("Name at least one SPIFFE ID.", nameof(ids));
        var set = ids.ToHashSet();
        return new AuthorizedPeers(set.Contains, string.Join(" or ", set));
    }

    /// <summary>
    /// Those below a prefix of whole segments: <c>spiffe://example.org/hosts</c> admits <c>…/hosts/a</c> and <c>…/hosts/a/b</c>, but neither
    /// <c>…/hosts</c> nor <c>…/hosts-a</c>.
    /// </summary>
    /// <exception cref="ArgumentException">The prefix names a whole trust domain; <see cref="MembersOf"/> says so more plainly.</exception>
    public static AuthorizedPeers Under(SpiffeId prefix)
    {
        if (!prefix.HasPath) throw new ArgumentException($"{prefix} names a whole trust domain; use {nameof(MembersOf)} if that is meant.", nameof(prefix));
        var start = prefix + "/";
        return new AuthorizedPeers(id => id.ToString().StartsWith(start, StringComparison.Ordinal), start + "…");
    }

    /// <summary>Every workload of a trust domain: whoever its authority signs for.</summary>
    public static AuthorizedPeers MembersOf(TrustDomain trustDomain) =>
        new(id => id.TrustDomain == trustDomain, $"any member of {trustDomain}");

    /// <summary>Those a predicate is true for. Where it throws, the peer is refused.</summary>
    /// <param name="predicate">Called in handshakes, again when bundles change, and where requests are authorized for each of them; from any thread. It must be quick and have no effect.</param>
    /// <param name="description">Completes "expected …" in the refusal.</param>
    public static AuthorizedPeers Matching(Func<SpiffeId, bool> predicate, string description) => new(predicate, description);

    /// <summary>Whether a peer with this ID, already verified, is one of them.</summary>
    public bool Admits(SpiffeId id)
    {
        try
        {
            return _admits(id);
        }
#pragma warning disable CA1031 // A rule that cannot be evaluated grants nothing, whatever it threw.
        catch (Exception)
#pragma warning restore CA1031
        {
            return false;
        }
    }

    /// <summary>Whom it admits, for messages.</summary>
    public override string ToString() => _description;
}
