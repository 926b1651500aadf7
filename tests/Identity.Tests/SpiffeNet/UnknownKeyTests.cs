using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Spiffe.Net;
using Xunit;

namespace Identity.Tests.SpiffeNet;

/// <summary>Authorities with keys that we cannot use beside others that we can: what somebody moves to must not take away what they still have.</summary>
public class UnknownKeyTests
{
    private static readonly DateTimeOffset Now = CertificateRecipe.Now;
    private static readonly TrustDomain Domain = TrustDomain.Parse("example.org");
    private static readonly ForgedCertificate Root = ForgedCertificate.SelfSigned(CertificateRecipe.Authority("root"));

    // As OpenSSL 3.0 makes it.
    private static readonly byte[] Ed25519 = Convert.FromBase64String(
        "MIIBZDCCARagAwIBAgIUNTscWRPmPzS9B/J1DqGY5q+Y3d0wBQYDK2VwMA0xCzAJBgNVBAMMAmVkMCAXDTI2MTEyMzEwMjcxNFoYDzIxMjYxMDMwMTAyNzE0WjANMQswCQYDVQQDDAJlZDAqMAUGAytlcAMhAFm+x34X7mFG"
        + "8xXIw8PL+tpXbsnkvyxTd21PquTiJGRPo4GFMIGCMB0GA1UdDgQWBBR4FiMdrkXMoCde+n3UVYZQY1rPITAfBgNVHSMEGDAWgBR4FiMdrkXMoCde+n3UVYZQY1rPITAPBgNVHRMBAf8EBTADAQH/MA4GA1UdDwEB/wQEAwIBBjAf"
        + "BgNVHREEGDAWhhRzcGlmZmU6Ly9leGFtcGxlLm9yZzAFBgMrZXADQQDdSjvsEXV7uMZ2junUEVqJ0QGOBBYWzxA0kZxkJ7EP39QqpXMUGdG8YZZTIBb92Kn1HJ5DPuL3RGoI/1JUX2kH");

    public static TheoryData<string> Unknown => ["Ed25519", "ML-DSA-65", "RSASSA-PSS", "secp256k1", "brainpoolP256r1", "P-224", "explicit P-256"];

    [Theory]
    [MemberData(nameof(Unknown))]
    [Trait("rule", "TDB-09")]
    public void Are_left_out_of_a_DER_bundle_and_the_others_stay(string kind)
    {
        foreach (var der in new byte[][] { [.. Root.Der, .. RootWith(kind)], [.. RootWith(kind), .. Root.Der] })
        {
            Assert.True(TrustBundle.TryParseX509(Domain, der, out var bundle, out var problem), problem);
            Assert.Equal(Root.Der, Assert.Single(bundle.X509Authorities).RawData);
            Assert.Equal(Root.Der, bundle.ToX509Der());
            Assert.IsType<X509SvidVerification.Verified>(X509SvidVerifier.Verify([Root.Issue(new CertificateRecipe()).Der], new(bundle), Now));
        }
    }

    [Theory]
    [MemberData(nameof(Unknown))]
    public void Are_left_out_of_PEM_and_of_what_is_put_together_from_parts(string kind)
    {
        var pem = PemEncoding.WriteString("CERTIFICATE", RootWith(kind)) + "\n" + PemEncoding.WriteString("CERTIFICATE", Root.Der);
        Assert.True(TrustBundle.TryParsePem(Domain, pem, out var bundle, out var problem), problem);
        Assert.Single(bundle.X509Authorities);
        Assert.True(TrustBundle.TryCreate(Domain, [RootWith(kind), Root.Der], [], null, null, out bundle, out problem), problem);
        Assert.Single(bundle.X509Authorities);
    }

    // A curve of 256 bits is not P-256 because its points are as long.
    [Theory]
    [MemberData(nameof(Unknown))]
    [Trait("rule", "TDB-09")]
    [Trait("rule", "X509-29")]
    public void Are_left_out_of_a_bundle_document_and_never_written_as_keys_of_another_kind(string kind)
    {
        var bundle = Parse(Entry(RootWith(kind)), Entry(Root.Der));
        Assert.Equal(Root.Der, Assert.Single(bundle.X509Authorities).RawData);
        using var written = JsonDocument.Parse(bundle.ToJson());
        Assert.Equal(Root.Der, Assert.Single(written.RootElement.GetProperty("keys").EnumerateArray()).GetProperty("x5c")[0].GetBytesFromBase64());
        using var map = JsonDocument.Parse(new TrustBundleSet(bundle).ToMapJson());
        Assert.Single(map.RootElement.GetProperty("trust_domains").GetProperty("example.org").GetProperty("keys").EnumerateArray());
    }

    [Theory]
    [MemberData(nameof(Unknown))]
    [Trait("rule", "TDB-10")]
    public void Alone_make_no_DER_bundle_and_an_empty_document(string kind)
    {
        Assert.False(TrustBundle.TryParseX509(Domain, (byte[])[.. RootWith(kind), .. RootWith(kind)], out var none, out var problem));
        Assert.Null(none);
        Assert.Equal("none of the 2 X.509 authorities of example.org has a key of a known kind; expected RSA, or EC on P-256, P-384 or P-521", problem);
        Assert.Empty(Parse(Entry(RootWith(kind))).X509Authorities);
    }

    [Theory]
    [InlineData("a point off its curve")]
    [InlineData("no numbers of RSA")]
    [InlineData("no curve")]
    [InlineData("an unknown algorithm without a key")]
    [InlineData("an unknown algorithm in bytes that are no DER")]
    public void Are_not_taken_for_broken_ones_which_refuse_the_bundle(string how)
    {
        var broken = RootWith(how);
        Assert.False(TrustBundle.TryParseX509(Domain, (byte[])[.. Root.Der, .. broken], out _, out var problem));
        Assert.Contains(how == "an unknown algorithm in bytes that are no DER" ? "2" : "X.509 authority 2 of example.org: ", problem, StringComparison.Ordinal);
        Assert.False(TrustBundle.TryParse(Domain, Document(Entry(broken)), out _, out _));
    }

    [Theory]
    [InlineData("nistP256", "P-256")]
    [InlineData("nistP384", "P-384")]
    [InlineData("nistP521", "P-521")]
    public void A_curve_is_written_by_its_own_name(string name, string written)
    {
        var root = ForgedCertificate.SelfSigned(CertificateRecipe.Authority("r") with { Key = ECDsa.Create(ECCurve.CreateFromFriendlyName(name)) });
        using var json = JsonDocument.Parse(root.AsBundle().ToJson());
        Assert.Equal(written, json.RootElement.GetProperty("keys")[0].GetProperty("crv").GetString());
    }

    [Fact]
    public void A_key_without_a_name_for_its_curve_is_not_written_at_all()
    {
        using var key = ECDsa.Create(ECCurve.CreateFromValue("1.3.132.0.10"));
        using var stream = new MemoryStream();
        using var json = new Utf8JsonWriter(stream);
        json.WriteStartObject();
        Assert.Throws<CryptographicException>(() => JsonWebKey.Write(json, PublicKeyKind.Unsupported, key.ExportParameters(false)));
        Assert.Throws<CryptographicException>(() => PrivateJsonWebKey.Write(key));
    }

    private static byte[] RootWith(string kind) => kind switch
    {
        "Ed25519" => Ed25519,
        "ML-DSA-65" => WithKey(Info([Oid("2.16.840.1.101.3.4.3.18")], new byte[1952])),
        "RSASSA-PSS" => WithKey(Info([Oid("1.2.840.113549.1.1.10")], new byte[270])),
        "secp256k1" => OnCurve(ECCurve.CreateFromValue("1.3.132.0.10")),
        "brainpoolP256r1" => OnCurve(ECCurve.NamedCurves.brainpoolP256r1),
        "P-224" => OnCurve(ECCurve.CreateFromValue("1.3.132.0.33")),
        "explicit P-256" => OnCurve(Explicit()),
        "a point off its curve" => WithKey(Info([Oid("1.2.840.10045.2.1"), Oid("1.2.840.10045.3.1.7")], [4, .. Enumerable.Repeat((byte)1, 64)])),
        "no numbers of RSA" => WithKey(Info([Oid("1.2.840.113549.1.1.1"), [5, 0]], [1, 2, 3])),
        "no curve" => WithKey(Info([Oid("1.2.840.10045.2.1")], [4, .. new byte[64]])),
        "an unknown algorithm without a key" => WithKey(DerTree.Encode(0x30, DerTree.Encode(0x30, Oid("1.3.101.112")))),
        _ => [.. Ed25519[..^1]],
    };

    private static byte[] OnCurve(ECCurve curve) => ForgedCertificate.SelfSigned(CertificateRecipe.Authority("foreign") with { Key = ECDsa.Create(curve) }).Der;

    // The parameters of the curve spelt out, as RFC 5480 §2.1.1 forbids.
    private static ECCurve Explicit()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return key.ExportExplicitParameters(false).Curve;
    }

    private static byte[] WithKey(byte[] subjectPublicKeyInfo) =>
        ForgedCertificate.SelfSigned(CertificateRecipe.Authority("foreign") with { SpoilSignedPart = tbs => tbs[6] = DerTree.Parse(subjectPublicKeyInfo) }).Der;

    private static byte[] Info(byte[][] algorithm, byte[] key) =>
        DerTree.Encode(0x30, [.. DerTree.Encode(0x30, [.. algorithm.SelectMany(part => part)]), .. DerTree.Encode(0x03, [0, .. key])]);

    private static byte[] Oid(string oid)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        writer.WriteObjectIdentifier(oid);
        return writer.Encode();
    }

    // The members beside x5c say P-256, whatever the certificate holds.
    private static string Entry(byte[] der) => $$"""{"use":"x509-svid","kty":"EC","crv":"P-256","x":"AA","y":"AA","x5c":["{{Convert.ToBase64String(der)}}"]}""";

    private static byte[] Document(params string[] entries) => Encoding.UTF8.GetBytes($$"""{"keys":[{{string.Join(',', entries)}}]}""");

    private static TrustBundle Parse(params string[] entries) =>
        TrustBundle.TryParse(Domain, Document(entries), out var bundle, out var problem) ? bundle : throw new FormatException(problem);
}
