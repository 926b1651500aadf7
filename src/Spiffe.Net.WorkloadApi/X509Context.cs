namespace Spiffe.Net.WorkloadApi;

/// <summary>
/// All X.509 material the Workload API gives this process at one moment: its identities and whom to trust. Immutable.
/// The SVIDs are shared with connections that use them, so do not dispose them; an unused one is collected.
/// </summary>
public sealed class X509Context
{
    internal X509Context(IReadOnlyList<X509Svid> svids, TrustBundleSet bundles, IReadOnlyList<ReadOnlyMemory<byte>> crls)
    {
        Svids = svids;
        Bundles = bundles;
        Crls = crls;
    }

    /// <summary>No identity and nobody to trust: what a process holds once its entitlement is withdrawn.</summary>
    public static X509Context None { get; } = new([], TrustBundleSet.Empty, []);

    /// <summary>In the endpoint's order. Empty only in <see cref="None"/>.</summary>
    public IReadOnlyList<X509Svid> Svids { get; }

    /// <summary>The bundles of the own trust domain and of those federated with; for X509-SVIDs only (SPIFFE Workload API §5.2.1).</summary>
    public TrustBundleSet Bundles { get; }

    /// <summary>DER revocation lists as the endpoint sent them, unverified; empty where it keeps none, as most do. <see cref="SpiffeTls"/> does not read them.</summary>
    public IReadOnlyList<ReadOnlyMemory<byte>> Crls { get; }

    /// <summary>The identity to use where nothing else is said: the first (§8). Null in <see cref="None"/>.</summary>
    public X509Svid? Default => Svids.Count > 0 ? Svids[0] : null;

    /// <summary>The identity the operator gave this hint; null when there is none. Of two with the same hint, the first (§5.2.1).</summary>
    public X509Svid? FindByHint(string hint) => Svids.FirstOrDefault(svid => svid.Hint == hint);
}
