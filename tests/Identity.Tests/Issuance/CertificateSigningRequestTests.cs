using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Identity.Issuance;
using Xunit;

namespace Identity.Tests.Issuance;

public class CertificateSigningRequestTests
{
    private const string Greeter = "spiffe://example.org/ns/default/sa/greeter";

    // 30 0B 31 09 30 07 06 03 55 04 0A 0C 00: one O attribute holding an empty UTF8String, as Envoy agents send it.
    private static readonly byte[] EmptyOrganization = Convert.FromHexString("300B3109300706035504 0A0C00".Replace(" ", "", StringComparison.Ordinal));

    public static TheoryData<string> Keys => ["P-256", "P-384", "RSA-2048", "RSA-3072"];

    [Theory]
    [MemberData(nameof(Keys))]
    public void Accepts_a_request_signed_by_its_own_key(string key)
    {
        var request = Parse(Create(key));
        Assert.Equal([Greeter], request.UriNames);
        Assert.Equal(["greeter.example"], request.DnsNames);
    }

    [Fact]
    public void Accepts_ztunnels_empty_subject_and_Envoys_empty_organization()
    {
        Assert.Equal([Greeter], Parse(Create("P-256", subject: [0x30, 0x00])).UriNames);
        Assert.Equal([Greeter], Parse(Create("RSA-2048", subject: EmptyOrganization)).UriNames);
    }

    [Fact]
    public void Accepts_a_request_without_names()
    {
        var request = Parse(Create("P-256", uri: null));
        Assert.Empty(request.UriNames);
        Assert.Empty(request.DnsNames);
    }

    [Theory]
    [InlineData("P-521", "P-521")]
    [InlineData("RSA-1024", "2048 to 8192")]
    [InlineData("secp256k1", "P-256, P-384")]
    public void Refuses_other_keys(string key, string reason) => AssertRefused(reason, Create(key));

    [Fact]
    public void Refuses_a_request_with_one_changed_byte_wherever_it_is()
    {
        var genuine = Create("P-256");
        for (var position = 0; position < genuine.Length; position++)
        {
            var changed = (byte[])genuine.Clone();
            changed[position] ^= 0x01;
            Assert.False(CertificateSigningRequest.TryParse(changed, out _, out _), $"byte {position}");
        }
    }

    [Fact]
    public void Refuses_the_signature_of_another_key()
    {
        var mine = Create("P-256");
        var theirs = Create("P-256");
        var offset = mine.AsSpan().IndexOf(KeyOf(mine).Span);
        KeyOf(theirs).Span.CopyTo(mine.AsSpan(offset));
        AssertRefused("not signed by the key", mine);
    }

    [Fact]
    public void Refuses_a_point_that_is_not_on_its_curve()
    {
        var request = Create("P-256");
        var offset = request.AsSpan().IndexOf(KeyOf(request).Span);
        request[offset + KeyOf(request).Length - 1] ^= 0x01;
        AssertRefused("do not form a key", request);
    }

    [Fact]
    public void Refuses_a_signature_with_SHA1()
    {
        // sha256WithRSAEncryption and sha1WithRSAEncryption differ in the last byte of their OID.
        var request = Create("RSA-2048");
        var oid = Convert.FromHexString("2A864886F70D01010B");
        request[request.AsSpan().LastIndexOf(oid) + oid.Length - 1] = 0x05;
        AssertRefused("SHA-2", request);
    }

    [Fact]
    public void Refuses_bytes_after_the_end() => AssertRefused("well-formed", [.. Create("P-256"), 0x00]);

    [Fact]
    public void Refuses_a_request_beyond_its_bound() => AssertRefused("expected 1 to 16384", new byte[16385]);

    [Theory]
    [InlineData("")]
    [InlineData("30")]
    [InlineData("3000")]
    [InlineData("3080")]
    [InlineData("05 00")]
    public void Refuses_what_is_no_request(string hex) =>
        Assert.False(CertificateSigningRequest.TryParse(Convert.FromHexString(hex.Replace(" ", "", StringComparison.Ordinal)), out _, out _));

    [Fact]
    public void Refuses_a_certificate_in_place_of_a_request() =>
        Assert.False(CertificateSigningRequest.TryParse(TestAuthority.CreateRoot().Root, out _, out _));

    private static CertificateSigningRequest Parse(byte[] der) =>
        CertificateSigningRequest.TryParse(der, out var request, out var problem) ? request : throw new FormatException(problem);

    private static ReadOnlyMemory<byte> KeyOf(byte[] request) => Parse(request).PublicKey.SubjectPublicKeyInfo;

    private static void AssertRefused(string reason, byte[] der)
    {
        Assert.False(CertificateSigningRequest.TryParse(der, out var request, out var problem));
        Assert.Null(request);
        Assert.Contains(reason, problem, StringComparison.Ordinal);
    }

    private static byte[] Create(string key, byte[]? subject = null, string? uri = Greeter)
    {
        var name = new X500DistinguishedName(subject ?? new X500DistinguishedName("CN=ignored").RawData);
        CertificateRequest request = key switch
        {
            "P-256" => new(name, ECDsa.Create(ECCurve.NamedCurves.nistP256), HashAlgorithmName.SHA256),
            "P-384" => new(name, ECDsa.Create(ECCurve.NamedCurves.nistP384), HashAlgorithmName.SHA384),
            "P-521" => new(name, ECDsa.Create(ECCurve.NamedCurves.nistP521), HashAlgorithmName.SHA512),
            "secp256k1" => new(name, ECDsa.Create(ECCurve.CreateFromFriendlyName("secp256k1")), HashAlgorithmName.SHA256),
            _ => new(name, RSA.Create(int.Parse(key.AsSpan(4), System.Globalization.CultureInfo.InvariantCulture)), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1),
        };
        if (uri is not null)
        {
            var names = new SubjectAlternativeNameBuilder();
            names.AddUri(new Uri(uri));
            names.AddDnsName("greeter.example");
            request.CertificateExtensions.Add(names.Build(critical: true));
        }

        return request.CreateSigningRequest();
    }
}
