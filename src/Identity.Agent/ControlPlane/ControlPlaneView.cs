using System.Diagnostics.CodeAnalysis;
using Identity.Policy;
using Spiffe.Net;
using Types = Spire.Api.Types;

namespace Identity.Agent.ControlPlane;

/// <summary>What the server last told this agent: immutable, swapped whole.</summary>
internal sealed class ControlPlaneView
{
    // As they were sent, with the keys' hours, which no bundle document has.
    private readonly Types.Bundle _sent;
    private readonly IReadOnlyList<Types.Bundle> _sentByOthers;

    private ControlPlaneView(TrustBundle bundle, Types.Bundle sent, IReadOnlyList<Types.Bundle> sentByOthers)
    {
        (_sent, _sentByOthers) = (sent, sentByOthers);
        Bundle = bundle;
        Bundles = new TrustBundleSet(bundle);
        BundleDer = Google.Protobuf.ByteString.CopyFrom(bundle.ToX509Der());
        JwtBundleJson = Google.Protobuf.ByteString.CopyFrom(bundle.ToJwtJson());
    }

    public ulong Revision { get; private init; }

    public ulong PolicyRevision { get; private init; }

    public EntryIndex Entries { get; private init; } = EntryIndex.Empty;

    public HeldPolicy Held { get; private init; } = HeldPolicy.None;

    public CapabilityPolicy Policy => Held.Policy;

    public TrustBundle Bundle { get; }

    public TrustBundleSet Bundles { get; }

    /// <summary>Of the trust domains that entries here federate with. Only for callers whose own entry does so: see <see cref="AuthorizedEntry.FederatesWith"/>.</summary>
    public TrustBundleSet FederatedBundles { get; private init; } = TrustBundleSet.Empty;

    /// <summary>Certificate revocation lists of our own trust domain, each DER; the server has checked them.</summary>
    public IReadOnlyList<ReadOnlyMemory<byte>> Crls { get; private init; } = [];

    /// <summary>The bundle as the Workload API carries it, made once.</summary>
    public Google.Protobuf.ByteString BundleDer { get; }

    public Google.Protobuf.ByteString JwtBundleJson { get; }

    /// <summary>W3C trace context of the change that caused this view; empty when unknown.</summary>
    public string Traceparent { get; private init; } = "";

    /// <summary>Until when policy may be decided with this view.</summary>
    public DateTimeOffset FreshUntil { get; private init; }

    public bool IsFresh(DateTimeOffset now) => now < FreshUntil;

    /// <summary>What is left when the server no longer wants this agent: nobody has an identity and nothing is admitted.</summary>
    /// <param name="decision">Under which the server explains it; null when it named none.</param>
    public ControlPlaneView Revoked(string? decision = null) =>
        new(Bundle, _sent, []) { Revision = Revision, PolicyRevision = PolicyRevision, IsRevoked = true, RevokedBy = decision };

    public bool IsRevoked { get; private init; }

    /// <summary>The server's decision that ended it; null while it holds, and when the server named none.</summary>
    public string? RevokedBy { get; private init; }

    /// <summary>Seconds since 1970 of the first key for tokens to expire after <paramref name="now"/>; null when none does.</summary>
    public long? NextKeyExpiry(DateTimeOffset now)
    {
        var seconds = now.ToUnixTimeSeconds();
        return _sentByOthers.Append(_sent)
            .SelectMany(bundle => bundle.JwtAuthorities.Select(key => key.ExpiresAt).Concat(bundle.WitAuthorities.Select(key => key.ExpiresAt)))
            .Where(expiry => expiry > seconds)
            .Min(expiry => (long?)expiry);
    }

    /// <summary>The same without the keys for tokens that have expired by now; itself when it holds none.</summary>
    public ControlPlaneView WithoutExpiredKeys(DateTimeOffset now)
    {
        // What was readable with more keys is readable with fewer; were it not, the others' bundle would go.
        if (!TryReadBundle(_sent, Bundle.TrustDomain, now, out var own, out _)) own = Bundle;
        var others = new List<TrustBundle>();
        var isSame = own.HasSameAuthorities(Bundle);
        foreach (var held in FederatedBundles.Bundles)
        {
            if (!TryReadBundle(_sentByOthers.First(sent => sent.TrustDomain == held.TrustDomain.Name), held.TrustDomain, now, out var other, out _)) continue;
            isSame &= other.HasSameAuthorities(held);
            others.Add(other);
        }

        if (isSame && others.Count == FederatedBundles.Bundles.Count) return this;
        return new ControlPlaneView(own, _sent, _sentByOthers)
        {
            Revision = Revision,
            PolicyRevision = PolicyRevision,
            Entries = Entries,
            Held = Held,
            FederatedBundles = new TrustBundleSet(others),
            Crls = Crls,
            FreshUntil = FreshUntil,
            IsRevoked = IsRevoked,
            RevokedBy = RevokedBy,
        };
    }

    /// <param name="last">The policy held before, which the snapshot may build on.</param>
    /// <param name="now">Keys for tokens that have expired by then are left out.</param>
    /// <param name="skipped">Entries and federated bundles that could not be read; they grant nothing.</param>
    public static bool TryRead(
        V1.Snapshot snapshot,
        TrustDomain trustDomain,
        HeldPolicy last,
        DateTimeOffset now,
        [NotNullWhen(true)] out ControlPlaneView? view,
        out IReadOnlyList<string> skipped,
        [NotNullWhen(false)] out string? problem)
    {
        view = null;
        var flaws = new List<string>();
        skipped = flaws;
        if (!TryReadBundle(snapshot.Bundle, trustDomain, now, out var bundle, out problem)) return false;
        if (!HeldPolicy.TryFollow(last, snapshot.Policy, out var held, out problem)) return false;

        var entries = new List<AuthorizedEntry>(snapshot.Entries.Count);
        foreach (var sent in snapshot.Entries)
        {
            if (AuthorizedEntry.TryRead(sent, out var entry, out var flaw)) entries.Add(entry);
            else flaws.Add(flaw);
        }

        var federated = new List<TrustBundle>(snapshot.FederatedBundles.Count);
        foreach (var sent in snapshot.FederatedBundles.DistinctBy(sent => sent.TrustDomain))
        {
            if (TrustDomain.TryParse(sent.TrustDomain, out var other, out var flaw)
                && other != trustDomain
                && TryReadBundle(sent, other, now, out var theirs, out flaw)) federated.Add(theirs);
            else flaws.Add(flaw ?? $"a federated bundle is said to be of {trustDomain} itself");
        }

        view = new ControlPlaneView(bundle, snapshot.Bundle, [.. snapshot.FederatedBundles])
        {
            Revision = snapshot.Revision,
            Entries = new EntryIndex(entries),
            FederatedBundles = new TrustBundleSet(federated),
            Crls = [.. snapshot.Crls.Select(crl => crl.Memory)],
            Held = held,
            PolicyRevision = held.Revision,
            Traceparent = snapshot.Traceparent,
            FreshUntil = snapshot.FreshUntil?.ToDateTimeOffset() ?? DateTimeOffset.MinValue,
        };
        return true;
    }

    private static bool TryReadBundle(
        Types.Bundle? sent, TrustDomain trustDomain, DateTimeOffset now, [NotNullWhen(true)] out TrustBundle? bundle, [NotNullWhen(false)] out string? problem)
    {
        bundle = null;
        if (sent?.TrustDomain != trustDomain.Name)
        {
            problem = $"the snapshot's bundle is not one of {trustDomain}";
            return false;
        }

        var jwtAuthorities = new List<JwtAuthority>();
        foreach (var key in sent.JwtAuthorities)
        {
            // A tainted key's tokens are to be refused already, though it is still listed; so are those of one that has expired.
            if (key.Tainted || IsExpired(key.ExpiresAt, now)) continue;
            if (!JwtAuthority.TryCreate(key.KeyId, key.PublicKey.Memory, out var authority, out problem)) return false;
            jwtAuthorities.Add(authority);
        }

        var witAuthorities = new List<WitAuthority>();
        foreach (var key in sent.WitAuthorities)
        {
            if (key.Tainted || IsExpired(key.ExpiresAt, now)) continue;
            if (!WitAuthority.TryCreate(key.KeyId, key.PublicKey.Memory, out var authority, out problem)) return false;
            witAuthorities.Add(authority);
        }

        var refreshHint = sent.RefreshHint > 0 ? TimeSpan.FromSeconds(Math.Min(sent.RefreshHint, int.MaxValue)) : (TimeSpan?)null;
        return TrustBundle.TryCreate(
            trustDomain,
            [.. sent.X509Authorities.Select(a => a.Asn1.Memory)],
            jwtAuthorities,
            witAuthorities,
            sent.SequenceNumber,
            refreshHint,
            out bundle,
            out problem);
    }

    // Zero: never.
    private static bool IsExpired(long expiresAt, DateTimeOffset now) => expiresAt != 0 && now.ToUnixTimeSeconds() >= expiresAt;
}
