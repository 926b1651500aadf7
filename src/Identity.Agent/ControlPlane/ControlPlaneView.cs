using System.Diagnostics.CodeAnalysis;
using Identity.Policy;
using Spiffe.Net;
using Types = Spire.Api.Types;

namespace Identity.Agent.ControlPlane;

/// <summary>What the server last told this agent: immutable, swapped whole.</summary>
internal sealed class ControlPlaneView
{
    private ControlPlaneView(TrustBundle bundle)
    {
        Bundle = bundle;
        Bundles = new TrustBundleSet(bundle);
        BundleDer = Google.Protobuf.ByteString.CopyFrom(bundle.ToX509Der());
        JwtBundleJson = Google.Protobuf.ByteString.CopyFrom(bundle.ToJwtJson());
    }

    public ulong Revision { get; private init; }

    public ulong PolicyRevision { get; private init; }

    public EntryIndex Entries { get; private init; } = EntryIndex.Empty;

    public CapabilityPolicy Policy { get; private init; } = CapabilityPolicy.Empty;

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
    public ControlPlaneView Revoked() => new(Bundle) { Revision = Revision, PolicyRevision = PolicyRevision };

    /// <param name="skipped">Entries and federated bundles that could not be read; they grant nothing.</param>
    public static bool TryRead(
        V1.Snapshot snapshot,
        TrustDomain trustDomain,
        [NotNullWhen(true)] out ControlPlaneView? view,
        out IReadOnlyList<string> skipped,
        [NotNullWhen(false)] out string? problem)
    {
        view = null;
        var flaws = new List<string>();
        skipped = flaws;
        if (!TryReadBundle(snapshot.Bundle, trustDomain, out var bundle, out problem)) return false;

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
                && TryReadBundle(sent, other, out var theirs, out flaw)) federated.Add(theirs);
            else flaws.Add(flaw ?? $"a federated bundle is said to be of {trustDomain} itself");
        }

        view = new ControlPlaneView(bundle)
        {
            Revision = snapshot.Revision,
            PolicyRevision = snapshot.Policy?.Revision ?? 0,
            Entries = new EntryIndex(entries),
            FederatedBundles = new TrustBundleSet(federated),
            Crls = [.. snapshot.Crls.Select(crl => crl.Memory)],
            Policy = CapabilityPolicy.FromSources(snapshot.Policy?.Documents ?? [], (long)(snapshot.Policy?.Revision ?? 0)),
            Traceparent = snapshot.Traceparent,
            FreshUntil = snapshot.FreshUntil?.ToDateTimeOffset() ?? DateTimeOffset.MinValue,
        };
        return true;
    }

    private static bool TryReadBundle(
        Types.Bundle? sent, TrustDomain trustDomain, [NotNullWhen(true)] out TrustBundle? bundle, [NotNullWhen(false)] out string? problem)
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
            // A tainted key's tokens are to be refused already, though it is still listed.
            if (key.Tainted) continue;
            if (!JwtAuthority.TryCreate(key.KeyId, key.PublicKey.Memory, out var authority, out problem)) return false;
            jwtAuthorities.Add(authority);
        }

        var witAuthorities = new List<WitAuthority>();
        foreach (var key in sent.WitAuthorities)
        {
            if (key.Tainted) continue;
            if (!WitAuthority.TryCreate(key.KeyId, key.PublicKey.Memory, out var authority, out problem)) return false;
            witAuthorities.Add(authority);
        }

        var refreshHint = sent.RefreshHint > 0 ? TimeSpan.FromSeconds(sent.RefreshHint) : (TimeSpan?)null;
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
}
