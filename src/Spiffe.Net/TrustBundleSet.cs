using System.Collections.Frozen;
using System.Diagnostics.CodeAnalysis;

namespace Spiffe.Net;

/// <summary>The bundles a validator trusts, one for each trust domain; immutable, so that a change swaps the whole set.</summary>
public sealed class TrustBundleSet
{
    private readonly FrozenDictionary<TrustDomain, TrustBundle> _bundles;

    /// <exception cref="ArgumentException">Two bundles are of one trust domain.</exception>
    public TrustBundleSet(params IEnumerable<TrustBundle> bundles) => _bundles = bundles.ToFrozenDictionary(bundle => bundle.TrustDomain);

    /// <summary>Trusts nobody.</summary>
    public static TrustBundleSet Empty { get; } = new();

    /// <summary>Bytes of a Bundle Map that are read.</summary>
    public const int MaxMapLength = 16 * 1024 * 1024;

    /// <summary>Trust domains of a Bundle Map that are read; more is a mistake or an attack.</summary>
    public const int MaxTrustDomains = 1024;

    /// <summary>In no order.</summary>
    public IReadOnlyCollection<TrustBundle> Bundles => _bundles.Values;

    /// <summary>
    /// Reads a Bundle Map (Trust Domain and Bundle §5.1.1), UTF-8: the whole of it, or nothing when one trust domain is named twice or one
    /// bundle is not valid. Refresh hints of its bundles are ignored, as the specification asks.
    /// </summary>
    public static bool TryParseMap(
        ReadOnlyMemory<byte> json, [NotNullWhen(true)] out TrustBundleSet? bundles, [NotNullWhen(false)] out string? problem) =>
        TrustBundleMap.TryRead(json, out bundles, out problem);

    /// <summary>The Bundle Map, UTF-8, in the order of the names; its bundles carry no refresh hints (§5.1.1).</summary>
    public byte[] ToMapJson() => TrustBundleMap.Write(this);

    /// <summary>False when nobody of the trust domain is trusted.</summary>
    public bool TryGet(TrustDomain trustDomain, [NotNullWhen(true)] out TrustBundle? bundle) => _bundles.TryGetValue(trustDomain, out bundle);

    /// <summary>Adds the bundle or replaces the one of the same trust domain.</summary>
    public TrustBundleSet With(TrustBundle bundle) => new([.. _bundles.Values.Where(b => b.TrustDomain != bundle.TrustDomain), bundle]);

    /// <summary>The set without this trust domain's bundle, whether it was there or not.</summary>
    public TrustBundleSet Without(TrustDomain trustDomain) => new(_bundles.Values.Where(b => b.TrustDomain != trustDomain));
}
