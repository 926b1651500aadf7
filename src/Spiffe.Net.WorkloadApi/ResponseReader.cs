using System.Security.Cryptography;
using System.Text;
using Google.Protobuf;
using Google.Protobuf.Collections;
using Google.Protobuf.WellKnownTypes;
using Spiffe.WorkloadApi.V1;

namespace Spiffe.Net.WorkloadApi;

/// <summary>
/// Turns responses into domain values. A response that breaks the endpoint's own promises is discarded whole (SPIFFE Workload API §4.5).
/// A bundle that cannot be read is left out, which trusts nobody of its trust domain: the endpoint only passes it on, and a foreign trust
/// domain must not be able to stop our own rotation.
/// </summary>
/// <param name="onLeftOut">Told what was left out and why.</param>
internal sealed class ResponseReader(Action<string> onLeftOut)
{
    // A workload with more identities, or more federated trust domains, than this is a mistake of the endpoint's.
    private const int MaxSvids = 1000;
    private const int MaxBundles = 10_000;
    private const int MaxCrls = 1000;

    // §8: longer hints are not supported.
    private const int MaxHintBytes = 1024;

    // The last X.509 bundles that were read: with every message the same ones come again, and what path validation has learnt of them stays good. Two streams that
    // overwrite each other's cost a signature.
    private volatile TrustBundleSet _lastX509 = TrustBundleSet.Empty;

    private delegate bool ReadBundle(TrustDomain trustDomain, ReadOnlyMemory<byte> bytes, out TrustBundle? bundle, out string? problem);

    public X509Context ReadX509(X509SVIDResponse response)
    {
        if (response.Svids.Count is 0 or > MaxSvids) throw Malformed($"it has {response.Svids.Count} X.509-SVIDs; expected 1 to {MaxSvids}");

        // 1. The bundles of others, then our own: what came with our SVID wins.
        var bundles = ReadBundles(response.FederatedBundles, TryReadX509Bundle).ToDictionary(bundle => bundle.TrustDomain);

        // 2. Each identity; of two with the same hint the first counts.
        var svids = new List<X509Svid>(response.Svids.Count);
        var hints = new HashSet<string>(StringComparer.Ordinal);
        foreach (var message in response.Svids)
        {
            if (!IsFirstOfHint(message.Hint, hints)) continue;
            var svid = ReadX509Svid(message);
            bundles[svid.Id.TrustDomain] = TryReadX509Bundle(svid.Id.TrustDomain, message.Bundle.Memory, out var own, out var problem)
                ? own!
                : throw Malformed($"the bundle of {svid.Id}: {problem}");
            svids.Add(svid);
        }

        return new X509Context(svids, _lastX509 = new TrustBundleSet(bundles.Values), ReadCrls(response.Crl));
    }

    public TrustBundleSet ReadX509Bundles(X509BundlesResponse response)
    {
        if (response.Bundles.Count == 0) throw Malformed("it has no bundle; expected that of the own trust domain at least");
        return _lastX509 = new TrustBundleSet(ReadBundles(response.Bundles, TryReadX509Bundle));
    }

    public TrustBundleSet ReadJwtBundles(JWTBundlesResponse response)
    {
        if (response.Bundles.Count == 0) throw Malformed("it has no bundle; expected that of the own trust domain at least");
        return new TrustBundleSet(ReadBundles(response.Bundles, TrustBundle.TryParseJwt));
    }

    public static JwtSvids ReadJwtSvids(JWTSVIDResponse response, IReadOnlyList<string> audience, SpiffeId? subject)
    {
        if (response.Svids.Count is 0 or > MaxSvids) throw Malformed($"it has {response.Svids.Count} JWT-SVIDs; expected 1 to {MaxSvids}");
        var hints = new HashSet<string>(StringComparer.Ordinal);
        var svids = new List<JwtCredential>(response.Svids.Count);
        foreach (var message in response.Svids)
        {
            if (!IsFirstOfHint(message.Hint, hints)) continue;
            if (!JwtSvid.TryParseUnverified(message.Svid, out var svid, out var problem)) throw Malformed(problem);
            if (svid.Id.ToString() != message.SpiffeId) throw Malformed($"a JWT-SVID of {svid.Id} is announced as another identity's");
            if (subject is not null && svid.Id != subject) throw Malformed($"a JWT-SVID is for {svid.Id}, not for {subject} as asked");

            // A token that other audiences accept too is more than was asked for; one that ours do not is useless.
            if (!audience.All(svid.Audience.Contains)) throw Malformed($"a JWT-SVID of {svid.Id} is not meant for the audience asked for");
            svids.Add(new JwtCredential(svid, message.Hint));
        }

        return new JwtSvids(svids);
    }

    /// <summary>§6.2.3, and JWT-SVID §3 of what came back: an endpoint that skipped a check must not make us skip it too.</summary>
    public static JwtSvidValidation.Valid ReadValidation(ValidateJWTSVIDResponse response, string audience, DateTimeOffset now)
    {
        if (!SpiffeId.TryParse(response.SpiffeId, out var id, out var problem)) throw Malformed(problem);
        if (!id.HasPath) throw Malformed($"a validated token is said to be of {id}, which is a trust domain and no workload");
        if (response.Claims is not { Fields: var claims }) throw Malformed("a validated token comes without claims");
        if (!claims.TryGetValue("sub", out var subject) || subject.StringValue != response.SpiffeId) throw Malformed($"a validated token of {id} has no subject, or another one");
        if (!claims.TryGetValue("aud", out var named) || !Names(named).Contains(audience, StringComparer.Ordinal))
            throw Malformed($"a validated token of {id} has no audience, or others than the one asked for");

        // RFC 7519 §4.1.4, with the leeway that the endpoint may have given too.
        var earliest = (now - JwtSvidVerifier.DefaultLeeway - DateTimeOffset.UnixEpoch).TotalSeconds;
        if (!claims.TryGetValue("exp", out var end) || end.KindCase is not Value.KindOneofCase.NumberValue || !double.IsFinite(end.NumberValue) || end.NumberValue <= earliest)
            throw Malformed($"a validated token of {id} has no expiry, or expired");
        return new JwtSvidValidation.Valid(id, Encoding.UTF8.GetBytes(ToJson(response.Claims, id)));
    }

    private static string ToJson(Struct claims, SpiffeId id)
    {
        try
        {
            return JsonFormatter.Default.Format(claims);
        }
        catch (InvalidOperationException)
        {
            // A value without a kind, or a number that is none.
            throw Malformed($"the claims of a validated token of {id} hold something that is not JSON");
        }
    }

    // JWT-SVID §3.2: one text or an array of them.
    private static IEnumerable<string> Names(Value audience) => audience.KindCase switch
    {
        Value.KindOneofCase.StringValue => [audience.StringValue],
        Value.KindOneofCase.ListValue => audience.ListValue.Values.Where(value => value.KindCase is Value.KindOneofCase.StringValue).Select(value => value.StringValue),
        _ => [],
    };

    public TrustBundleSet ReadWitBundles(WITBundlesResponse response)
    {
        if (response.Bundles.Count == 0) throw Malformed("it has no bundle; expected that of the own trust domain at least");
        return new TrustBundleSet(ReadBundles(response.Bundles, text => Encoding.UTF8.GetBytes(text), TrustBundle.TryParseWit));
    }

#pragma warning disable SPIFFE001 // The WIT profile, for those who opted in.
    public static IReadOnlyList<WitCredential> ReadWitSvids(WITSVIDResponse response, SpiffeId? subject)
    {
        if (response.Svids.Count is 0 or > MaxSvids) throw Malformed($"it has {response.Svids.Count} WIT-SVIDs; expected 1 to {MaxSvids}");
        var hints = new HashSet<string>(StringComparer.Ordinal);
        var credentials = new List<WitCredential>(response.Svids.Count);
        foreach (var message in response.Svids)
        {
            if (!IsFirstOfHint(message.Hint, hints)) continue;
            if (!WitSvid.TryParseUnverified(message.WitSvid, out var svid, out var problem)) throw Malformed(problem);
            if (svid.Id.ToString() != message.SpiffeId) throw Malformed($"a WIT-SVID of {svid.Id} is announced as another identity's");
            if (subject is not null && svid.Id != subject) throw Malformed($"a WIT-SVID is for {svid.Id}, not for {subject} as asked");
            var key = ReadProofKey(message.WitSvidKey, svid);
            credentials.Add(new WitCredential(svid, key, message.Hint));
        }

        return credentials;
    }

    private static AsymmetricAlgorithm ReadProofKey(string jwk, UnverifiedWitSvid svid)
    {
        var bytes = Encoding.UTF8.GetBytes(jwk);
        try
        {
            if (!PrivateJsonWebKey.TryRead(bytes, out var key, out var problem)) throw Malformed($"a WIT-SVID of {svid.Id}: {problem}");
            if (key.ExportSubjectPublicKeyInfo().AsSpan().SequenceEqual(svid.ProofKey.PublicKey.SubjectPublicKeyInfo.Span)) return key;
            key.Dispose();
            throw Malformed($"a WIT-SVID of {svid.Id}: its key does not belong to it");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(bytes);
        }
    }
#pragma warning restore SPIFFE001

    private static bool IsFirstOfHint(string hint, HashSet<string> seen)
    {
        if (Encoding.UTF8.GetByteCount(hint) > MaxHintBytes) throw Malformed($"a hint has more than {MaxHintBytes} bytes");
        return hint.Length == 0 || seen.Add(hint);
    }

    private static X509Svid ReadX509Svid(X509SVID message)
    {
        if (message.X509Svid.IsEmpty || message.X509SvidKey.IsEmpty || message.Bundle.IsEmpty) throw Malformed("an X.509-SVID lacks its certificate, its key or its bundle");
        if (!X509Svid.TryParse(message.X509Svid.Memory, message.X509SvidKey.Memory, message.Hint, out var svid, out var problem)) throw Malformed(problem);
        if (svid.Id.ToString() == message.SpiffeId) return svid;
        svid.Dispose();
        throw Malformed($"an X.509-SVID of {svid.Id} is announced as another identity's");
    }

    private IEnumerable<TrustBundle> ReadBundles(MapField<string, ByteString> bundles, ReadBundle read) => ReadBundles(bundles, bytes => bytes.Memory, read);

    private IEnumerable<TrustBundle> ReadBundles<T>(MapField<string, T> bundles, Func<T, ReadOnlyMemory<byte>> toBytes, ReadBundle read)
    {
        if (bundles.Count > MaxBundles) throw Malformed($"it has {bundles.Count} bundles; at most {MaxBundles} are read");
        foreach (var (key, value) in bundles)
        {
            var trustDomain = ReadTrustDomain(key);
            if (read(trustDomain, toBytes(value), out var bundle, out var problem)) yield return bundle!;
            else onLeftOut($"the bundle of {trustDomain} cannot be read, so nobody of that trust domain is trusted: {problem}");
        }
    }

    private bool TryReadX509Bundle(TrustDomain trustDomain, ReadOnlyMemory<byte> der, out TrustBundle? bundle, out string? problem)
    {
        _lastX509.TryGet(trustDomain, out var earlier);
        return TrustBundle.TryParseX509(trustDomain, der, earlier, out bundle, out problem);
    }

    private static ReadOnlyMemory<byte>[] ReadCrls(RepeatedField<ByteString> crls) =>
        crls.Count <= MaxCrls ? [.. crls.Select(crl => crl.Memory)] : throw Malformed($"it has {crls.Count} revocation lists; at most {MaxCrls} are read");

    // Keys are the SPIFFE ID of a trust domain, `spiffe://example.org`, never the bare name.
    private static TrustDomain ReadTrustDomain(string key)
    {
        if (!SpiffeId.TryParse(key, out var id, out var problem)) throw Malformed($"a bundle's key is unusable: {problem}");
        return id.HasPath ? throw Malformed($"a bundle's key {id} names a workload; expected the SPIFFE ID of a trust domain") : id.TrustDomain;
    }

    private static WorkloadApiException Malformed(string problem) => WorkloadApiException.Malformed(problem);
}
