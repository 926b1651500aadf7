using System.Text;
using Google.Protobuf;
using Identity.Agent.ControlPlane;
using Identity.Agent.SvidCache;
using Spiffe.Net;
using Spiffe.WorkloadApi.V1;

namespace Identity.Agent.WorkloadApi;

/// <summary>Writes what is held as the messages of the Workload API.</summary>
internal static class SvidMessages
{
    // Workload API §8: longer ones need not be understood.
    private const int MaxHintBytes = 1024;

    /// <param name="svids">In the order of the entries; null where there is none, which is left out.</param>
    public static X509SVIDResponse X509(Entitlement entitlement, IReadOnlyList<CachedX509Svid?> svids)
    {
        var response = new X509SVIDResponse();
        var hints = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < entitlement.Entries.Length; i++)
        {
            if (svids[i] is not { } svid) continue;
            response.Svids.Add(new X509SVID
            {
                SpiffeId = svid.Id.ToString(),
                X509Svid = svid.Chain,
                X509SvidKey = svid.PrivateKey,
                Bundle = entitlement.View.BundleDer,
                Hint = HintOf(entitlement.Entries[i], hints),
            });
        }

        response.Crl.AddRange(CrlsOf(entitlement));
        foreach (var bundle in WithX509(entitlement)) response.FederatedBundles[bundle.TrustDomain.Id.ToString()] = UnsafeByteOperations.UnsafeWrap(bundle.ToX509Der());
        return response;
    }

    public static X509BundlesResponse X509Bundles(Entitlement entitlement)
    {
        var response = new X509BundlesResponse { Bundles = { [entitlement.View.Bundle.TrustDomain.Id.ToString()] = entitlement.View.BundleDer } };
        response.Crl.AddRange(CrlsOf(entitlement));
        foreach (var bundle in WithX509(entitlement)) response.Bundles[bundle.TrustDomain.Id.ToString()] = UnsafeByteOperations.UnsafeWrap(bundle.ToX509Der());
        return response;
    }

    public static JWTBundlesResponse JwtBundles(Entitlement entitlement)
    {
        var response = new JWTBundlesResponse { Bundles = { [entitlement.View.Bundle.TrustDomain.Id.ToString()] = entitlement.View.JwtBundleJson } };
        foreach (var bundle in entitlement.Federated) response.Bundles[bundle.TrustDomain.Id.ToString()] = UnsafeByteOperations.UnsafeWrap(bundle.ToJwtJson());
        return response;
    }

    public static WITSVIDResponse Wit(IReadOnlyList<AuthorizedEntry> entries, IReadOnlyList<HeldWitSvid> svids)
    {
        var hints = new HashSet<string>(StringComparer.Ordinal);
        return new WITSVIDResponse
        {
            Svids =
            {
                entries.Zip(svids, (entry, svid) => new WITSVID
                {
                    SpiffeId = entry.SpiffeId.ToString(), WitSvid = svid.Token, WitSvidKey = svid.PrivateJwk, Hint = HintOf(entry, hints),
                }),
            },
        };
    }

    public static WITBundlesResponse WitBundles(Entitlement entitlement)
    {
        var response = new WITBundlesResponse();
        foreach (var bundle in entitlement.Federated.Add(entitlement.View.Bundle)) response.Bundles[bundle.TrustDomain.Id.ToString()] = Encoding.UTF8.GetString(bundle.ToWitJson());
        return response;
    }

    /// <summary>§5.2.1: unique within a response. The oldest entry keeps the hint, a later one with the same goes without.</summary>
    public static string HintOf(AuthorizedEntry entry, HashSet<string> taken) =>
        entry.Hint.Length > 0 && Encoding.UTF8.GetByteCount(entry.Hint) <= MaxHintBytes && taken.Add(entry.Hint) ? entry.Hint : "";

    private static IEnumerable<ByteString> CrlsOf(Entitlement entitlement) => entitlement.View.Crls.Select(crl => UnsafeByteOperations.UnsafeWrap(crl));

    // A trust domain without certificates has no X.509 bundle; an empty one would be no answer.
    private static IEnumerable<TrustBundle> WithX509(Entitlement entitlement) => entitlement.Federated.Where(bundle => bundle.X509Authorities.Count > 0);
}
