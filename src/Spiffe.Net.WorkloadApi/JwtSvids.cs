using System.Collections;

namespace Spiffe.Net.WorkloadApi;

/// <summary>The JWT-SVIDs of one answer, to be presented to others, in the endpoint's order; at least one. Immutable.</summary>
public sealed class JwtSvids : IReadOnlyList<JwtCredential>
{
    private readonly IReadOnlyList<JwtCredential> _svids;

    internal JwtSvids(IReadOnlyList<JwtCredential> svids) => _svids = svids;

    /// <inheritdoc/>
    public int Count => _svids.Count;

    /// <summary>The token of the identity to use where nothing else is said: the first (SPIFFE Workload API §8).</summary>
    public JwtCredential Default => _svids[0];

    /// <inheritdoc/>
    public JwtCredential this[int index] => _svids[index];

    /// <summary>The token of the identity the operator gave this hint; null when there is none. Of two with the same hint, the first (§6.2.1).</summary>
    public JwtCredential? FindByHint(string hint) => _svids.FirstOrDefault(svid => svid.Hint == hint);

    /// <inheritdoc/>
    public IEnumerator<JwtCredential> GetEnumerator() => _svids.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
