using System.Buffers.Text;
using System.Formats.Asn1;
using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Google.Protobuf;
using Spiffe.Net;
using Spiffe.WorkloadApi.V1;

namespace Identity.Testing.WorkloadApi;

/// <summary>
/// A trust domain's authority for tests of those who receive SVIDs. Written with the base library alone, so that a mistake
/// of our issuer cannot hide itself here.
/// </summary>
public sealed class TestAuthority
{
    private const string JwtKeyId = "test-key";

    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly ECDsa _issuingKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly ECDsa _jwtKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly X509Certificate2 _root;
    private readonly X509Certificate2 _issuing;

    /// <param name="issuingLifetime">How long from now the issuing certificate is good; null means as long as the root.</param>
    public TestAuthority(string trustDomain = "example.org", TimeSpan? issuingLifetime = null)
    {
        TrustDomain = TrustDomain.Parse(trustDomain);
        var (from, to) = (TimeProvider.System.GetUtcNow().AddHours(-1), TimeProvider.System.GetUtcNow().AddDays(30));
        var rootName = Name("root");
        _root = AuthorityRequest(rootName, _key).Create(rootName, X509SignatureGenerator.CreateForECDsa(_key), from, to, Serial());
        if (issuingLifetime is { } lifetime) to = TimeProvider.System.GetUtcNow() + lifetime;
        _issuing = AuthorityRequest(Name("issuing"), _issuingKey).Create(rootName, X509SignatureGenerator.CreateForECDsa(_key), from, to, Serial());
    }

    public TrustDomain TrustDomain { get; }

    /// <summary>DER of the root: what is trusted.</summary>
    public byte[] X509Bundle => _root.RawData;

    /// <summary>A JWK set.</summary>
    public byte[] JwtBundle
    {
        get
        {
            var q = _jwtKey.ExportParameters(false).Q;
            return Encoding.UTF8.GetBytes(
                $$"""{"keys":[{"kty":"EC","crv":"P-256","kid":"{{JwtKeyId}}","x":"{{Base64Url.EncodeToString(q.X)}}","y":"{{Base64Url.EncodeToString(q.Y)}}"}]}""");
        }
    }

    public SpiffeId Id(string path) => SpiffeId.Parse($"{TrustDomain.Id}{path}");

    /// <summary>An SVID as the Workload API sends it: leaf and issuing certificate, a P-256 key, this authority's bundle.</summary>
    public X509SVID IssueX509(SpiffeId id, TimeSpan? lifetime = null, string hint = "", DateTimeOffset? now = null)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(new X500DistinguishedName([0x30, 0x00]), new PublicKey(key), HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, critical: true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new("1.3.6.1.5.5.7.3.1"), new("1.3.6.1.5.5.7.3.2")], critical: false));
        request.CertificateExtensions.Add(UriName(id.ToString(), critical: true));
        request.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromCertificate(_issuing, true, false));
        var from = now ?? TimeProvider.System.GetUtcNow();
        using var leaf = request.Create(
            _issuing.SubjectName, X509SignatureGenerator.CreateForECDsa(_issuingKey), from.AddMinutes(-1), from + (lifetime ?? TimeSpan.FromHours(1)), Serial());
        return new X509SVID
        {
            SpiffeId = id.ToString(),
            X509Svid = ByteString.CopyFrom([.. leaf.RawData, .. _issuing.RawData]),
            X509SvidKey = ByteString.CopyFrom(key.ExportPkcs8PrivateKey()),
            Bundle = ByteString.CopyFrom(X509Bundle),
            Hint = hint,
        };
    }

    /// <summary>A response with one SVID and, beside it, the bundles of others.</summary>
    public X509SVIDResponse Respond(SpiffeId id, params TestAuthority[] federated)
    {
        var response = new X509SVIDResponse { Svids = { IssueX509(id) } };
        foreach (var other in federated) response.FederatedBundles[other.TrustDomain.Id.ToString()] = ByteString.CopyFrom(other.X509Bundle);
        return response;
    }

    public JWTSVID IssueJwt(SpiffeId id, IEnumerable<string> audience, DateTimeOffset expiresAt) => IssueJwt(id, audience, expiresAt, _jwtKey);

    /// <summary>A token such as nobody may believe: signed with the root's own key, which is for certificates alone.</summary>
    public JWTSVID IssueJwtWithRootKey(SpiffeId id, IEnumerable<string> audience, DateTimeOffset expiresAt) => IssueJwt(id, audience, expiresAt, _key);

    private static JWTSVID IssueJwt(SpiffeId id, IEnumerable<string> audience, DateTimeOffset expiresAt, ECDsa key)
    {
        var header = Encode($$"""{"alg":"ES256","kid":"{{JwtKeyId}}","typ":"JWT"}""");
        var aud = string.Join(',', audience.Select(a => $"\"{a}\""));
        var claims = Encode(string.Create(CultureInfo.InvariantCulture, $$"""{"sub":"{{id}}","aud":[{{aud}}],"exp":{{expiresAt.ToUnixTimeSeconds()}}}"""));
        var signature = key.SignData(Encoding.ASCII.GetBytes($"{header}.{claims}"), HashAlgorithmName.SHA256);
        return new JWTSVID { SpiffeId = id.ToString(), Svid = $"{header}.{claims}.{Base64Url.EncodeToString(signature)}" };
    }

    private static string Encode(string json) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(json));

    private static byte[] Serial()
    {
        var serial = RandomNumberGenerator.GetBytes(16);
        serial[0] = (byte)((serial[0] & 0x7f) | 0x40);
        return serial;
    }

    // A name of its own per authority: two roots of one name would make the path builder guess.
    private static X500DistinguishedName Name(string role) => new($"CN=test {role} {Guid.NewGuid():N}");

    private CertificateRequest AuthorityRequest(X500DistinguishedName name, ECDsa key)
    {
        var request = new CertificateRequest(name, key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, critical: true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        request.CertificateExtensions.Add(UriName(TrustDomain.Id.ToString(), critical: false));
        return request;
    }

    private static X509Extension UriName(string uri, bool critical)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence()) writer.WriteCharacterString(UniversalTagNumber.IA5String, uri, new Asn1Tag(TagClass.ContextSpecific, 6));
        return new X509Extension("2.5.29.17", writer.Encode(), critical);
    }
}
