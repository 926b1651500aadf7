using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using CsCheck;
using Identity.Issuance;
using Spiffe.Net;
using Xunit;

namespace Identity.Tests.Issuance;

/// <summary>The hot path writes certificates by itself; the base library's slow <see cref="CertificateRequest"/> is the oracle.</summary>
public class X509SvidWriterTests
{
    private static readonly X509Authority Authority = TestAuthority.Create();
    private static readonly SubjectPublicKey[] Keys =
        [TestAuthority.NewKey(), TestAuthority.NewKey(SigningAlgorithm.Es384), TestAuthority.NewKey(SigningAlgorithm.Rs256)];

    private static readonly Gen<string> Segment = Gen.String[Gen.Char["abcXYZ019._-"], 1, 40].Where(s => s is not ("." or ".."));

    private static readonly Gen<X509SvidRequest> Requests = Gen.Select(
        Segment.Array[1, 12],
        Gen.String[Gen.Char["abcdefxyz019"], 1, 20].Array[0, 6],
        Gen.Byte.Array[4].Select(b => new IPAddress(b)).Array[0, 2],
        Gen.Byte.Array[16].Select(b => new IPAddress(b)).Array[0, 2],
        Gen.Int[0, 2],
        (path, dns, v4, v6, key) => new X509SvidRequest(SpiffeId.FromSegments(TestAuthority.Domain, path), Keys[key])
        {
            DnsNames = [.. dns.Select(name => $"h{name}.example")],
            IpAddresses = [.. v4, .. v6],
        });

    // From 1950 to 2099: both encodings of time, and the step between them.
    private static readonly Gen<DateTimeOffset> Times = Gen.Long[-631152000, 4102444799].Select(DateTimeOffset.FromUnixTimeSeconds);

    [Fact]
    public void Writes_the_bytes_that_the_base_library_would_write() =>
        Gen.Select(Requests, Times, Times, Gen.Byte.Array[16]).Sample(
            (request, from, to, serial) =>
            {
                serial[0] = (byte)((serial[0] & 0x7F) | 0x40);
                var (notBefore, notAfter) = from < to ? (from, to) : (to, from);
                var ours = new X509SvidWriter(Authority).Write(request, serial, notBefore, notAfter);
                Assert.Equal(Convert.ToHexString(WriteWithBaseLibrary(request, serial, notBefore, notAfter)), Convert.ToHexString(ours));
            },
            iter: 3000);

    [Fact]
    public void What_it_writes_is_read_back_field_by_field() =>
        Requests.Sample(
            request =>
            {
                var (notBefore, notAfter) = (TestAuthority.Now, TestAuthority.Now.AddHours(1));
                var serial = SerialNumber.Draw();
                var written = new X509SvidWriter(Authority).Write(request, serial, notBefore, notAfter);
                Assert.Null(X509SvidLint.FindProblem(written, request, Authority, serial, notBefore, notAfter));
            },
            iter: 1000);

    [Fact]
    public void The_lint_notices_every_field_that_differs()
    {
        var request = new X509SvidRequest(SpiffeId.Parse("spiffe://example.org/a"), Keys[0]) { DnsNames = ["a.example"] };
        var (from, to, serial) = (TestAuthority.Now, TestAuthority.Now.AddHours(1), SerialNumber.Draw());
        var written = new X509SvidWriter(Authority).Write(request, serial, from, to);
        Assert.Null(X509SvidLint.FindProblem(written, request, Authority, serial, from, to));
        Assert.Contains("SPIFFE ID", Lint(request with { Id = SpiffeId.Parse("spiffe://example.org/b") }), StringComparison.Ordinal);
        Assert.Contains("public key", Lint(request with { PublicKey = TestAuthority.NewKey() }), StringComparison.Ordinal);
        Assert.Contains("other names", Lint(request with { DnsNames = [] }), StringComparison.Ordinal);
        Assert.Contains("other names", Lint(request with { IpAddresses = [IPAddress.Loopback] }), StringComparison.Ordinal);
        Assert.Contains("serial", X509SvidLint.FindProblem(written, request, Authority, SerialNumber.Draw(), from, to)!, StringComparison.Ordinal);
        Assert.Contains("lifetime", X509SvidLint.FindProblem(written, request, Authority, serial, from, to.AddSeconds(1))!, StringComparison.Ordinal);
        Assert.Contains("issuer", X509SvidLint.FindProblem(written, request, TestAuthority.Create(), serial, from, to)!, StringComparison.Ordinal);

        string Lint(X509SvidRequest other) => X509SvidLint.FindProblem(written, other, Authority, serial, from, to)!;
    }

    private static byte[] WriteWithBaseLibrary(X509SvidRequest request, byte[] serial, DateTimeOffset notBefore, DateTimeOffset notAfter)
    {
        var publicKey = PublicKey.CreateFromSubjectPublicKeyInfo(request.PublicKey.SubjectPublicKeyInfo.Span, out _);
        var oracle = new CertificateRequest(new X500DistinguishedName([0x30, 0x00]), publicKey, HashAlgorithmName.SHA256);
        oracle.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, critical: true));
        oracle.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, critical: true));
        oracle.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new("1.3.6.1.5.5.7.3.1"), new("1.3.6.1.5.5.7.3.2")], critical: false));
        oracle.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(publicKey, X509SubjectKeyIdentifierHashAlgorithm.ShortSha256, critical: false));
        using var issuing = X509CertificateLoader.LoadCertificate(Authority.Certificate.Span);
        oracle.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromCertificate(issuing, includeKeyIdentifier: true, includeIssuerAndSerial: false));
        oracle.CertificateExtensions.Add(AlternativeNames(request));
        using var certificate = oracle.Create(issuing.SubjectName, new AuthoritySignatureGenerator(Authority.Key), notBefore, notAfter, serial);
        return certificate.RawData.AsSpan()[TbsRange(certificate.RawData)].ToArray();
    }

    private static X509Extension AlternativeNames(X509SvidRequest request)
    {
        var names = new SubjectAlternativeNameBuilder();
        names.AddUri(new Uri(request.Id.ToString(), new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true }));
        foreach (var name in request.DnsNames) names.AddDnsName(name);
        foreach (var address in request.IpAddresses) names.AddIpAddress(address);
        return names.Build(critical: true);
    }

    private static Range TbsRange(byte[] certificate)
    {
        var reader = new System.Formats.Asn1.AsnReader(certificate, System.Formats.Asn1.AsnEncodingRules.DER);
        var tbs = reader.ReadSequence().PeekEncodedValue();
        var start = certificate.AsSpan().IndexOf(tbs.Span);
        return start..(start + tbs.Length);
    }
}
