using System.Text;
using Google.Protobuf;
using Google.Protobuf.Collections;
using Spiffe.WorkloadApi.V1;

namespace Spiffe.Net.WorkloadApi;

/// <summary>Turns responses into domain values. A response with one unusable part is unusable as a whole (SPIFFE Workload API §4.5).</summary>
internal static class ResponseReader
{
    // A workload with more identities, or more federated trust domains, than this is a mistake of the endpoint's.
    private const int MaxSvids = 1000;
    private const int MaxBundles = 10_000;

    // §8: longer hints are not supported.
    private const int MaxHintBytes = 1024;

    public static X509Context ReadX509(X509SVIDResponse response)
    {
        if (response.Svids.Count is 0 or > MaxSvids) throw Malformed($"it has {response.Svids.Count} X.509-SVIDs; expected 1 to {MaxSvids}");
        if (response.FederatedBundles.Count > MaxBundles) throw Malformed($"it has {response.FederatedBundles.Count} bundles; at most {MaxBundles} are read");

        // 1. The bundles of others, then our own: what came with our SVID wins.
        var bundles = new Dictionary<TrustDomain, TrustBundle>();
        foreach (var (key, der) in response.FederatedBundles)
        {
            var bundle = ReadX509Bundle(ReadTrustDomain(key), der);
            bundles[bundle.TrustDomain] = bundle;
        }

        // 2. Each identity; of two with the same hint the first counts.
        var svids = new List<X509Svid>(response.Svids.Count);
        var hints = new HashSet<string>(StringComparer.Ordinal);
        foreach (var message in response.Svids)
        {
            if (message.Hint.Length > 0 && !hints.Add(message.Hint)) continue;
            var svid = ReadX509Svid(message);
            bundles[svid.Id.TrustDomain] = ReadX509Bundle(svid.Id.TrustDomain, message.Bundle);
            svids.Add(svid);
        }

        return new X509Context(svids, new TrustBundleSet(bundles.Values));
    }

    public static TrustBundleSet ReadX509Bundles(X509BundlesResponse response)
    {
        if (response.Bundles.Count is 0 or > MaxBundles) throw Malformed($"it has {response.Bundles.Count} bundles; expected 1 to {MaxBundles}");
        return new TrustBundleSet(response.Bundles.Select(pair => ReadX509Bundle(ReadTrustDomain(pair.Key), pair.Value)));
    }

    public static TrustBundleSet ReadJwtBundles(JWTBundlesResponse response)
    {
        if (response.Bundles.Count is 0 or > MaxBundles) throw Malformed($"it has {response.Bundles.Count} bundles; expected 1 to {MaxBundles}");
        return new TrustBundleSet(response.Bundles.Select(pair =>
            TrustBundle.TryParseJwt(ReadTrustDomain(pair.Key), pair.Value.Memory, out var bundle, out var problem) ? bundle : throw Malformed(problem)));
    }

    public static IReadOnlyList<JwtSvid> ReadJwtSvids(JWTSVIDResponse response, IReadOnlyList<string> audience, SpiffeId? subject)
    {
        if (response.Svids.Count is 0 or > MaxSvids) throw Malformed($"it has {response.Svids.Count} JWT-SVIDs; expected 1 to {MaxSvids}");
        var hints = new HashSet<string>(StringComparer.Ordinal);
        var svids = new List<JwtSvid>(response.Svids.Count);
        foreach (var message in response.Svids)
        {
            if (message.Hint.Length > 0 && !hints.Add(message.Hint)) continue;
            if (!JwtSvid.TryParseUnverified(message.Svid, out var svid, out var problem)) throw Malformed(problem);
            if (svid.Id.ToString() != message.SpiffeId) throw Malformed($"a JWT-SVID of {svid.Id} is announced as another identity's");
            if (subject is not null && svid.Id != subject) throw Malformed($"a JWT-SVID is for {svid.Id}, not for {subject} as asked");

            // A token that other audiences accept too is more than was asked for; one that ours do not is useless.
            if (!audience.All(svid.Audience.Contains)) throw Malformed($"a JWT-SVID of {svid.Id} is not meant for the audience asked for");
            svids.Add(svid);
        }

        return svids;
    }

    private static X509Svid ReadX509Svid(X509SVID message)
    {
        if (Encoding.UTF8.GetByteCount(message.Hint) > MaxHintBytes) throw Malformed($"a hint has more than {MaxHintBytes} bytes");
        if (message.X509Svid.IsEmpty || message.X509SvidKey.IsEmpty || message.Bundle.IsEmpty) throw Malformed("an X.509-SVID lacks its certificate, its key or its bundle");
        if (!X509Svid.TryParse(message.X509Svid.Memory, message.X509SvidKey.Memory, message.Hint, out var svid, out var problem)) throw Malformed(problem);
        if (svid.Id.ToString() == message.SpiffeId) return svid;
        svid.Dispose();
        throw Malformed($"an X.509-SVID of {svid.Id} is announced as another identity's");
    }

    private static TrustBundle ReadX509Bundle(TrustDomain trustDomain, ByteString der) =>
        TrustBundle.TryParseX509(trustDomain, der.Memory, out var bundle, out var problem) ? bundle : throw Malformed(problem);

    // Keys are the SPIFFE ID of a trust domain, `spiffe://example.org`, never the bare name.
    private static TrustDomain ReadTrustDomain(string key)
    {
        if (!SpiffeId.TryParse(key, out var id, out var problem)) throw Malformed($"a bundle's key is unusable: {problem}");
        return id.HasPath ? throw Malformed($"a bundle's key {id} names a workload; expected the SPIFFE ID of a trust domain") : id.TrustDomain;
    }

    private static WorkloadApiException Malformed(string problem) => WorkloadApiException.Malformed(problem);
}
