using System.Formats.Asn1;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using CsCheck;
using Identity.Issuance;
using Spiffe.Net;
using Xunit;

namespace Identity.Tests.Issuance;

/// <summary>The hot path writes certificates by itself; the base library's slow <see cref="CertificateRequest"/> is the oracle.</summary>
[Trait("rule", "X509-01")]
[Trait("rule", "X509-03")]
[Trait("rule", "X509-05")]
[Trait("rule", "X509-13")]
[Trait("rule", "X509-15")]
[Trait("rule", "X509-17")]
[Trait("rule", "X509-19")]
[Trait("rule", "X509-20")]
[Trait("rule", "X509-21")]
public class X509SvidWriterTests
{
    private static readonly X509Authority[] Authorities =
    [
        TestAuthority.Create(), TestAuthority.Create(SigningAlgorithm.Es384), TestAuthority.Create(SigningAlgorithm.Rs256), TestAuthority.CreateRoot(),
    ];

    private static readonly X509Authority Authority = Authorities[0];

    private static readonly SubjectPublicKey[] Keys =
        [TestAuthority.NewKey(), TestAuthority.NewKey(), TestAuthority.NewKey(SigningAlgorithm.Es384), TestAuthority.NewKey(SigningAlgorithm.Rs256)];

    private static readonly Gen<string> Segment = Gen.String[Gen.Char["abcXYZ019._-"], 1, 40].Where(s => s is not ("." or ".."));

    private static readonly Gen<X509SvidRequest> Requests = Gen.Select(
        Segment.Array[1, 12],
        Gen.String[Gen.Char["abcdefxyz019"], 1, 20].Array[0, 12],
        Gen.Byte.Array[4].Select(b => new IPAddress(b)).Array[0, 8],
        Gen.Byte.Array[16].Select(b => new IPAddress(b)).Array[0, 8],
        Gen.Int[0, 3],
        (path, dns, v4, v6, key) => new X509SvidRequest(SpiffeId.FromSegments(TestAuthority.Domain, path), Keys[key])
        {
            DnsNames = [.. dns.Select(name => $"h{name}.example")],
            IpAddresses = [.. v4, .. v6],
        });

    // From 1940 to 2099, and the two seconds on either side of the steps between the encodings of time.
    private static readonly Gen<DateTimeOffset> Times = Gen.OneOf(
        Gen.Long[-946771200, 4102444799], Gen.Long[2524607998, 2524608001], Gen.Long[-631152002, -631151999]).Select(DateTimeOffset.FromUnixTimeSeconds);

    // 1 to 20 bytes, of any sign and with leading zeros: the writer must make a positive, shortest number of them.
    private static readonly Gen<byte[]> Serials = Gen.Byte.Array[1, 20].Where(serial => serial.Any(b => b != 0));

    [Fact]
    public void Writes_the_bytes_that_the_base_library_would_write() =>
        Gen.Select(Requests, Times, Times, Serials, Gen.Int[0, Authorities.Length - 1]).Sample(
            (request, from, to, serial, authority) =>
            {
                var (notBefore, notAfter) = from < to ? (from, to) : (to, from);
                var content = new X509SvidContent(request, serial, X509AuthorityFactory.KeyIdentifierOf(request.PublicKey), notBefore, notAfter);
                var ours = new X509SvidWriter(Authorities[authority]).Write(content);
                Assert.Equal(Convert.ToHexString(WriteWithBaseLibrary(Authorities[authority], content)), Convert.ToHexString(ours));
            },
            iter: 4000);

    [Fact]
    public void A_sealed_certificate_reads_as_the_base_library_reads_its_own() =>
        Gen.Select(Requests, Gen.Int[0, Authorities.Length - 1]).Sample(
            (request, which) =>
            {
                var authority = Authorities[which];
                var issuer = new X509SvidIssuer(authority, IssuanceProfile.Default);
                var draft = Assert.IsType<X509SvidPreparation.Prepared>(issuer.Prepare(request, TestAuthority.Now)).Draft;
                var leaf = issuer.Issue(draft).Leaf;
                using var ours = X509CertificateLoader.LoadCertificate(leaf.Span);
                using var issuing = X509CertificateLoader.LoadCertificate(authority.Certificate.Span);
                Assert.Equal(3, ours.Version);
                Assert.Equal(draft.SerialNumber, ours.SerialNumber);
                Assert.Equal(authority.Key.Algorithm.Oid, ours.SignatureAlgorithm.Value);
                Assert.Equal(issuing.SubjectName.RawData, ours.IssuerName.RawData);
                Assert.Equal((draft.NotBefore, draft.NotAfter), (ours.NotBefore.ToUniversalTime(), ours.NotAfter.ToUniversalTime()));
                Assert.Equal([0x30, 0x00], ours.SubjectName.RawData);
                Assert.Equal(request.PublicKey.SubjectPublicKeyInfo.ToArray(), ours.PublicKey.ExportSubjectPublicKeyInfo());
                Assert.Equal(leaf.ToArray(), ours.RawData);
                Assert.Equal(
                    ["2.5.29.19!", "2.5.29.15!", "2.5.29.37", "2.5.29.14", "2.5.29.35", "2.5.29.17!"],
                    ours.Extensions.Select(extension => extension.Oid!.Value + (extension.Critical ? "!" : "")));
                var names = ours.Extensions.OfType<X509SubjectAlternativeNameExtension>().Single();
                Assert.Equal(request.DnsNames, names.EnumerateDnsNames());
                Assert.Equal(request.IpAddresses, names.EnumerateIPAddresses());
            },
            iter: 200);

    [Fact]
    public void What_it_writes_passes_the_lint_and_the_verifiers_reading_alike() =>
        Requests.Sample(
            request =>
            {
                var content = Content(request);
                var written = new X509SvidWriter(Authority).Write(content);
                Assert.Null(X509SvidLint.FindProblem(written, content, Authority));
                Assert.True(CertificateFields.TryReadSignedPart(written, out var fields, out _));
                Assert.True(SvidProfile.TryReadLeafId(fields, out var id, out _));
                Assert.Equal(request.Id, id);
                Assert.Equal(request.DnsNames, fields.AlternativeNames.DnsNames);
                Assert.Equal(request.IpAddresses, fields.AlternativeNames.IpAddresses);
                Assert.Equal(6, fields.ExtensionCount);
            },
            iter: 1000);

    [Fact]
    public void The_lint_notices_every_changed_bit()
    {
        foreach (var key in Keys[1..])
        {
            var content = Content(new X509SvidRequest(SpiffeId.Parse("spiffe://example.org/a"), key) { DnsNames = ["a.example"], IpAddresses = [IPAddress.Loopback] });
            var written = new X509SvidWriter(Authority).Write(content);
            Assert.Null(X509SvidLint.FindProblem(written, content, Authority));
            for (var bit = 0; bit < written.Length * 8; bit++)
            {
                written[bit / 8] ^= (byte)(1 << (bit % 8));
                Assert.True(X509SvidLint.FindProblem(written, content, Authority) is not null, $"bit {bit % 8} of byte {bit / 8}");
                written[bit / 8] ^= (byte)(1 << (bit % 8));
            }
        }
    }

    [Fact]
    public void The_lint_notices_what_is_cut_off_or_added()
    {
        var content = Content(new X509SvidRequest(SpiffeId.Parse("spiffe://example.org/a"), Keys[0]));
        var written = new X509SvidWriter(Authority).Write(content);
        for (var length = 0; length < written.Length; length++) Assert.NotNull(X509SvidLint.FindProblem(written.AsSpan(0, length), content, Authority));
        Assert.NotNull(X509SvidLint.FindProblem([.. written, 0x05, 0x00], content, Authority));
    }

    [Fact]
    public void The_lint_names_the_field_that_differs()
    {
        var content = Content(new X509SvidRequest(SpiffeId.Parse("spiffe://example.org/a"), Keys[0]) { DnsNames = ["a.example"] });
        var written = new X509SvidWriter(Authority).Write(content);
        AssertNamed("SPIFFE ID", content with { Request = content.Request with { Id = SpiffeId.Parse("spiffe://example.org/b") } });
        AssertNamed("public key", content with { Request = content.Request with { PublicKey = TestAuthority.NewKey() } });
        AssertNamed("other names", content with { Request = content.Request with { DnsNames = [] } });
        AssertNamed("other names", content with { Request = content.Request with { DnsNames = ["b.example"] } });
        AssertNamed("other names", content with { Request = content.Request with { IpAddresses = [IPAddress.Loopback] } });
        AssertNamed("serial", content with { SerialNumber = SerialNumber.Draw() });
        AssertNamed("lifetime", content with { NotAfter = content.NotAfter.AddSeconds(1) });
        AssertNamed("subject key identifier", content with { SubjectKeyIdentifier = new byte[20] });
        Assert.Contains("issuer", X509SvidLint.FindProblem(written, content, TestAuthority.Create())!, StringComparison.Ordinal);

        void AssertNamed(string field, X509SvidContent decided) =>
            Assert.Contains(field, X509SvidLint.FindProblem(written, decided, Authority)!, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0, 1, "outlives")]
    [InlineData(-1, 0, "outlives")]
    public void The_lint_refuses_a_lifetime_beyond_the_authoritys(int before, int after, string reason)
    {
        var content = Content(new X509SvidRequest(SpiffeId.Parse("spiffe://example.org/a"), Keys[0])) with
        {
            NotBefore = Authority.NotBefore.AddSeconds(before),
            NotAfter = Authority.NotAfter.AddSeconds(after),
        };
        Assert.Contains(reason, X509SvidLint.FindProblem(new X509SvidWriter(Authority).Write(content), content, Authority)!, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("spiffe://example.org")]
    [InlineData("spiffe://other.org/a")]
    public void The_lint_refuses_an_ID_that_is_not_the_authoritys_to_give(string id)
    {
        var content = Content(new X509SvidRequest(SpiffeId.Parse(id), Keys[0]));
        Assert.Contains("not the authority's", X509SvidLint.FindProblem(new X509SvidWriter(Authority).Write(content), content, Authority)!, StringComparison.Ordinal);
    }

    private static X509SvidContent Content(X509SvidRequest request) => new(
        request, SerialNumber.Draw(), X509AuthorityFactory.KeyIdentifierOf(request.PublicKey), TestAuthority.Now, TestAuthority.Now.AddHours(1));

    private static byte[] WriteWithBaseLibrary(X509Authority authority, X509SvidContent content)
    {
        var publicKey = PublicKey.CreateFromSubjectPublicKeyInfo(content.Request.PublicKey.SubjectPublicKeyInfo.Span, out _);
        var oracle = new CertificateRequest(new X500DistinguishedName([0x30, 0x00]), publicKey, HashAlgorithmName.SHA256);
        oracle.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, critical: true));
        oracle.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, critical: true));
        oracle.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new("1.3.6.1.5.5.7.3.1"), new("1.3.6.1.5.5.7.3.2")], critical: false));
        oracle.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(publicKey, X509SubjectKeyIdentifierHashAlgorithm.ShortSha256, critical: false));
        using var issuing = X509CertificateLoader.LoadCertificate(authority.Certificate.Span);
        oracle.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromCertificate(issuing, includeKeyIdentifier: true, includeIssuerAndSerial: false));
        oracle.CertificateExtensions.Add(AlternativeNames(content.Request));
        using var certificate = oracle.Create(
            issuing.SubjectName, new NoSignature(authority.Key.Algorithm), content.NotBefore, content.NotAfter, content.SerialNumber.Span);
        return new AsnReader(certificate.RawData, AsnEncodingRules.DER).ReadSequence().PeekEncodedValue().ToArray();
    }

    private static X509Extension AlternativeNames(X509SvidRequest request)
    {
        var names = new SubjectAlternativeNameBuilder();
        names.AddUri(new Uri(request.Id.ToString(), new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true }));
        foreach (var name in request.DnsNames) names.AddDnsName(name);
        foreach (var address in request.IpAddresses) names.AddIpAddress(address);
        return names.Build(critical: true);
    }

    /// <summary>What is compared is what would be signed.</summary>
    private sealed class NoSignature(SigningAlgorithm algorithm) : X509SignatureGenerator
    {
        public override byte[] GetSignatureAlgorithmIdentifier(HashAlgorithmName hashAlgorithm) => algorithm.AlgorithmIdentifier.ToArray();

        public override byte[] SignData(byte[] data, HashAlgorithmName hashAlgorithm) => [0];

        protected override PublicKey BuildPublicKey() => throw new NotSupportedException();
    }
}
