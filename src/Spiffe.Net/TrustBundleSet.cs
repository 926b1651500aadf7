using System.Collections.Frozen;
using System.Diagnostics.CodeAnalysis;

namespace Spiffe.Net;

/// <summary>The bundles a validator trusts, one for each trust domain; immutable, so that a change swaps the whole set.</summary>
public sealed class TrustBundleSet
{
    private readonly FrozenDictionary<TrustDomain, TrustBundle> _bundles;

    public TrustBundleSet(params IEnumerable<TrustBundle> bundles) => _bundles = bundles.ToFrozenDictionary(bundle => bundle.TrustDomain);

    /// <summary>Trusts nobody.</summary>
    public static TrustBundleSet Empty { get; } = new();

    public IReadOnlyCollection<TrustBundle> Bundles => _bundles.Values;

    public bool TryGet(TrustDomain trustDomain, [NotNullWhen(true)] out TrustBundle? bundle) => _bundles.TryGetValue(trustDomain, out bundle);

    /// <summary>Adds the bundle or replaces the one of the same trust domain.</summary>
    public TrustBundleSet With(TrustBundle bundle) => new([.. _bundles.Values.Where(b => b.TrustDomain != bundle.TrustDomain), bundle]);

    public TrustBundleSet Without(TrustDomain trustDomain) => new(_bundles.Values.Where(b => b.TrustDomain != trustDomain));
}
