using Identity.Agent.ControlPlane;
using Identity.Agent.SvidCache;
using Spiffe.WorkloadApi.V1;

namespace Identity.Agent.WorkloadApi;

/// <summary>Writes what is held as the messages of the Workload API.</summary>
internal static class SvidMessages
{
    // Workload API §8: longer ones need not be understood.
    private const int MaxHintBytes = 1024;

    /// <param name="svids">In the order of the entries; null where there is none.</param>
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

        return response;
    }

    public static X509BundlesResponse X509Bundles(Entitlement entitlement) =>
        new() { Bundles = { [entitlement.View.Bundle.TrustDomain.Id.ToString()] = entitlement.View.BundleDer } };

    public static JWTBundlesResponse JwtBundles(Entitlement entitlement) =>
        new() { Bundles = { [entitlement.View.Bundle.TrustDomain.Id.ToString()] = entitlement.View.JwtBundleJson } };

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

    public static WITBundlesResponse WitBundles(Entitlement entitlement) =>
        new() { Bundles = { [entitlement.View.Bundle.TrustDomain.Id.ToString()] = System.Text.Encoding.UTF8.GetString(entitlement.View.Bundle.ToWitJson()) } };

    /// <summary>§5.2.1: unique within a response. The oldest entry keeps the hint, a later one with the same goes without.</summary>
    public static string HintOf(AuthorizedEntry entry, HashSet<string> taken) =>
        entry.Hint.Length > 0 && System.Text.Encoding.UTF8.GetByteCount(entry.Hint) <= MaxHintBytes && taken.Add(entry.Hint) ? entry.Hint : "";
}
