using System.Collections;

namespace Spiffe.Net.WorkloadApi;

/// <summary>The JWT-SVIDs of one answer, in the endpoint's order; at least one. Immutable.</summary>
public sealed class JwtSvids : IReadOnlyList<JwtSvid>
{
    private readonly IReadOnlyList<(JwtSvid Svid, string Hint)> _svids;

    internal JwtSvids(IReadOnlyList<(JwtSvid Svid, string Hint)> svids) => _svids = svids;

    /// <inheritdoc/>
    public int Count => _svids.Count;

    /// <summary>The token of the identity to use where nothing else is said: the first (SPIFFE Workload API §8).</summary>
    public JwtSvid Default => _svids[0].Svid;

    /// <inheritdoc/>
    public JwtSvid this[int index] => _svids[index].Svid;

    /// <summary>The token of the identity the operator gave this hint; null when there is none. Of two with the same hint, the first (§6.2.1).</summary>
    public JwtSvid? FindByHint(string hint) => _svids.FirstOrDefault(svid => svid.Hint == hint).Svid;

    /// <inheritdoc/>
    public IEnumerator<JwtSvid> GetEnumerator() => _svids.Select(svid => svid.Svid).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
