using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Identity.Issuance;
using Identity.Testing.Platform;
using Spiffe.Net;
using Xunit;

namespace Identity.Conformance.Tests;

/// <summary>The openssl program as a peer: it judges what we issue, and we judge what it asks for.</summary>
[Trait(Rule.Peer, "openssl")]
public sealed class OpenSslTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("identity-openssl-").FullName;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("ES256")]
    [InlineData("ES384")]
    [InlineData("RS256")]
    [Trait(Rule.Trait, "X509-23")]
    public async Task Verifies_an_issued_chain_strictly_for_both_ends_of_a_connection(string algorithm)
    {
        await WriteChainAsync(algorithm switch { "ES256" => SigningAlgorithm.Es256, "ES384" => SigningAlgorithm.Es384, _ => SigningAlgorithm.Rs256 });
        foreach (var purpose in new[] { "sslserver", "sslclient" })
        {
            var said = await OpenSslAsync("verify", "-x509_strict", "-purpose", purpose, "-CAfile", "root.pem", "-untrusted", "issuing.pem", "leaf.pem");
            Assert.Contains("leaf.pem: OK", said, StringComparison.Ordinal);
        }

        Assert.NotEqual(0, (await TryOpenSslAsync("verify", "-x509_strict", "-CAfile", "root.pem", "leaf.pem")).Code);
    }

    [Fact]
    [Trait(Rule.Trait, "X509-01")]
    [Trait(Rule.Trait, "X509-05")]
    [Trait(Rule.Trait, "X509-13")]
    [Trait(Rule.Trait, "X509-15")]
    [Trait(Rule.Trait, "X509-21")]
    public async Task Reads_the_profile_in_an_issued_leaf()
    {
        await WriteChainAsync(SigningAlgorithm.Es256);
        var text = await OpenSslAsync("x509", "-in", "leaf.pem", "-noout", "-text");
        var lines = text.Split('\n').Select(line => line.Trim()).ToList();
        Assert.Contains("Version: 3 (0x2)", lines);
        Assert.Contains("Subject:", lines);
        AssertFollows(lines, "X509v3 Key Usage: critical", "Digital Signature");
        AssertFollows(lines, "X509v3 Basic Constraints: critical", "CA:FALSE");
        AssertFollows(lines, "X509v3 Subject Alternative Name: critical", $"URI:{Issued.Id}");
        AssertFollows(lines, "X509v3 Extended Key Usage:", "TLS Web Server Authentication, TLS Web Client Authentication");
        Assert.Contains("X509v3 Authority Key Identifier:", lines);

        var structure = await OpenSslAsync("asn1parse", "-in", "leaf.pem");
        // RFC 5280 §4.1.2.5: UTCTime until 2049; and what asn1parse cannot read it calls an error or a bad value.
        Assert.Equal(2, structure.Split('\n').Count(line => line.Contains("UTCTIME", StringComparison.Ordinal)));
        Assert.DoesNotContain("BAD", structure, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("a P-256 key and no subject", "/", "EC", "ec_paramgen_curve:P-256")]
    [InlineData("a P-384 key", "/O=x/CN=y", "EC", "ec_paramgen_curve:P-384")]
    [InlineData("an RSA key of 2048 bits", "/O=x", "RSA", "rsa_keygen_bits:2048")]
    [InlineData("an RSA-PKCS1 key of 3072 bits", "/", "RSA", "rsa_keygen_bits:3072")]
    public async Task Asks_with(string what, string subject, string kind, string option)
    {
        Assert.True(CertificateSigningRequest.TryParse(await RequestAsync(kind, option, "sha256", subject), out var request, out var problem), $"{what}: {problem}");
        Assert.Equal([Issued.Id.ToString()], request.UriNames);

        // What it asked for is issued for its key, and openssl finds its own key in the certificate.
        var now = TimeProvider.System.GetUtcNow();
        var (svid, _) = Issued.Chain(SigningAlgorithm.Es256, now, request.PublicKey);
        await File.WriteAllTextAsync(Path.Combine(folder, "leaf.pem"), Pem(svid.Leaf), Cancellation);
        Assert.Equal(await OpenSslAsync("pkey", "-in", "key.pem", "-pubout"), await OpenSslAsync("x509", "-in", "leaf.pem", "-noout", "-pubkey"));
    }

    [Theory]
    [InlineData("an RSA key of 1024 bits", "RSA", "rsa_keygen_bits:1024", "sha256", "2048")]
    [InlineData("a P-521 key", "EC", "ec_paramgen_curve:P-521", "sha512", "P-521")]
    [InlineData("a key on secp256k1", "EC", "ec_paramgen_curve:secp256k1", "sha256", "P-256")]
    [InlineData("a signature with SHA-1", "EC", "ec_paramgen_curve:P-256", "sha1", "signature algorithm")]
    [InlineData("an Ed25519 key", "ED25519", "", "", "key")]
    public async Task Asks_in_vain_with(string what, string kind, string option, string hash, string reason)
    {
        Assert.False(CertificateSigningRequest.TryParse(await RequestAsync(kind, option, hash, "/"), out _, out var problem), what);
        Assert.Contains(reason, problem, StringComparison.Ordinal);
    }

    /// <summary>As SPIRE's and Envoy's helpers send it: RSA-2048 and a subject whose O is there and empty. openssl cannot write it, but reads it.</summary>
    [Fact]
    public async Task Finds_nothing_wrong_with_the_request_with_an_empty_organization_that_we_accept()
    {
        using var key = RSA.Create(2048);
        var der = new CertificateRequest(EmptyOrganization(), key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1).CreateSigningRequest();
        await File.WriteAllBytesAsync(Path.Combine(folder, "request.der"), der, Cancellation);
        var (code, _, error) = await TryOpenSslAsync("req", "-inform", "DER", "-in", "request.der", "-verify", "-noout");
        Assert.True(code == 0, error);
        Assert.True(CertificateSigningRequest.TryParse(der, out var request, out var problem), problem);
        Assert.Empty(request.UriNames);
    }

    [Fact]
    public async Task Sees_a_request_that_was_changed_after_it_was_signed_as_we_do()
    {
        var der = await RequestAsync("EC", "ec_paramgen_curve:P-256", "sha256", "/");
        der[der.AsSpan().IndexOf("hosts/local"u8)] = (byte)'H';
        await File.WriteAllBytesAsync(Path.Combine(folder, "request.der"), der, Cancellation);
        var (code, output, error) = await TryOpenSslAsync("req", "-inform", "DER", "-in", "request.der", "-verify", "-noout");
        Assert.True(code != 0 || (output + error).Contains("failure", StringComparison.OrdinalIgnoreCase), output + error);
        Assert.False(CertificateSigningRequest.TryParse(der, out _, out var problem));
        Assert.Contains("not signed by the key", problem, StringComparison.Ordinal);
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private async Task WriteChainAsync(SigningAlgorithm algorithm)
    {
        var (svid, _) = Issued.Chain(algorithm, TimeProvider.System.GetUtcNow());
        await File.WriteAllTextAsync(Path.Combine(folder, "leaf.pem"), Pem(svid.Leaf), Cancellation);
        await File.WriteAllTextAsync(Path.Combine(folder, "issuing.pem"), Pem(svid.Chain[1]), Cancellation);
        await File.WriteAllTextAsync(Path.Combine(folder, "root.pem"), Pem(svid.Root), Cancellation);
    }

    private async Task<byte[]> RequestAsync(string kind, string option, string hash, string subject)
    {
        string[] options = option.Length == 0 ? [] : ["-pkeyopt", option];
        string[] digest = hash.Length == 0 ? [] : [$"-{hash}"];
        await OpenSslAsync(["genpkey", "-algorithm", kind, .. options, "-out", "key.pem"]);
        await OpenSslAsync(
        [
            "req", "-new", "-key", "key.pem", .. digest, "-subj", subject, "-addext", $"subjectAltName=URI:{Issued.Id}", "-outform", "DER", "-out", "request.der",
        ]);
        return await File.ReadAllBytesAsync(Path.Combine(folder, "request.der"), Cancellation);
    }

    private async Task<string> OpenSslAsync(params string[] arguments)
    {
        var (code, output, error) = await TryOpenSslAsync(arguments);
        Assert.True(code == 0, $"openssl {string.Join(' ', arguments)} exited with {code}: {error}");
        return output;
    }

    private Task<(int Code, string Output, string Error)> TryOpenSslAsync(params string[] arguments)
    {
        Peers.OrSkip(Peers.IsOnPath("openssl"), "there is no openssl on PATH; install the package openssl.");
        // Its files are named relative to the folder of this test.
        return LocalPlatform.RunAsync(
            "/bin/sh", ["-c", "cd \"$0\" && exec openssl \"$@\"", folder, .. arguments], new Dictionary<string, string?>(), Cancellation);
    }

    private static void AssertFollows(List<string> lines, string heading, string value)
    {
        var at = lines.IndexOf(heading);
        Assert.True(at >= 0, $"openssl does not say '{heading}': {string.Join('\n', lines)}");
        Assert.Equal(value, lines[at + 1]);
    }

    private static string Pem(ReadOnlyMemory<byte> der) => PemEncoding.WriteString("CERTIFICATE", der.Span) + "\n";

    private static X500DistinguishedName EmptyOrganization()
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        using (writer.PushSetOf())
        using (writer.PushSequence())
        {
            writer.WriteObjectIdentifier("2.5.4.10");
            writer.WriteCharacterString(UniversalTagNumber.UTF8String, "");
        }

        return new X500DistinguishedName(writer.Encode());
    }
}
