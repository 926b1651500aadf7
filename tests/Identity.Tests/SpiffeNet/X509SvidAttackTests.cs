using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Spiffe.Net;
using Xunit;

namespace Identity.Tests.SpiffeNet;

/// <summary>Attacks by name. Each starts from a chain that verifies and changes what the attacker would.</summary>
public class X509SvidAttackTests
{
    private static readonly DateTimeOffset Now = CertificateRecipe.Now;
    private static readonly byte[] Null = [0x05, 0x00];

    private static readonly ForgedCertificate Root = ForgedCertificate.SelfSigned(CertificateRecipe.Authority("root"));
    private static readonly ForgedCertificate Issuing = Root.Issue(CertificateRecipe.Authority("issuing") with { PathLength = 0 });
    private static readonly TrustBundleSet Bundles = new(Root.AsBundle());

    [Fact]
    [Trait("rule", "X509-24")]
    [Trait("rule", "X509-10")]
    public void CA_as_leaf() =>
        AssertRefused("cA=true", Root.Issue(CertificateRecipe.Authority("ca") with { Uris = ["spiffe://example.org/hosts/local"] }));

    [Fact]
    [Trait("rule", "X509-10")]
    public void The_issuing_authority_presents_itself() => AssertRefused("cA=true", Issuing);

    [Fact]
    [Trait("rule", "X509-10")]
    public void The_root_presents_itself() => AssertRefused("cA=true", Root);

    [Fact]
    [Trait("rule", "X509-25")]
    public void Leaf_with_keyCertSign() =>
        AssertRefused("keyCertSign or cRLSign", Root.Issue(new CertificateRecipe { KeyUsage = CertificateRecipe.DigitalSignature | CertificateRecipe.CertificateSign }));

    [Fact]
    [Trait("rule", "X509-25")]
    public void Leaf_with_cRLSign() =>
        AssertRefused("keyCertSign or cRLSign", Root.Issue(new CertificateRecipe { KeyUsage = CertificateRecipe.DigitalSignature | CertificateRecipe.CrlSign }));

    [Fact]
    [Trait("rule", "X509-02")]
    public void Two_URI_SANs() => AssertRefused("2 URI names", Root.Issue(new CertificateRecipe { Uris = ["spiffe://example.org/a", "spiffe://example.org/b"] }));

    [Fact]
    [Trait("rule", "X509-28")]
    public void No_SAN() => AssertRefused("0 URI names", Root.Issue(new CertificateRecipe { Uris = [], Subject = "spiffe://example.org/hosts/local" }));

    [Fact]
    [Trait("rule", "X509-28")]
    public void The_ID_in_another_kind_of_name() =>
        AssertRefused("0 URI names", Root.Issue(new CertificateRecipe { Uris = [], DnsNames = ["spiffe://example.org/hosts/local"] }));

    [Fact]
    [Trait("rule", "X509-26")]
    public void A_NUL_that_cuts_the_ID_short() =>
        AssertRefused("\\u0000", Root.Issue(new CertificateRecipe { Uris = ["spiffe://example.org/admin\0/hosts/local"] }));

    [Fact]
    [Trait("rule", "X509-23")]
    [Trait("rule", "TDB-03")]
    public void Foreign_trust_domain_under_our_root()
    {
        var leaf = Root.Issue(new CertificateRecipe { Uris = ["spiffe://other.org/admin"] });
        AssertRefused("no trust bundle for the trust domain other.org", leaf);
        var other = ForgedCertificate.SelfSigned(CertificateRecipe.Authority("other"));
        AssertRefused("does not end at an authority", X509SvidVerifier.Verify([leaf.Der, Root.Der], Bundles.With(other.AsBundle("other.org")), Now));
    }

    [Fact]
    [Trait("rule", "X509-11")]
    [Trait("rule", "X509-23")]
    public void Path_length()
    {
        var extra = Issuing.Issue(CertificateRecipe.Authority("extra"));
        AssertRefused("allows 0 intermediates below it; there are 1", extra.Issue(new CertificateRecipe()), extra, Issuing);
    }

    [Fact]
    [Trait("rule", "X509-11")]
    [Trait("rule", "X509-23")]
    public void Path_length_of_the_root_itself()
    {
        var root = ForgedCertificate.SelfSigned(CertificateRecipe.Authority("short") with { PathLength = 0 });
        var extra = root.Issue(CertificateRecipe.Authority("extra"));
        Assert.IsType<X509SvidVerification.Verified>(X509SvidVerifier.Verify([root.Issue(new CertificateRecipe()).Der], new(root.AsBundle()), Now));
        AssertRefused("allows 0 intermediates", X509SvidVerifier.Verify([extra.Issue(new CertificateRecipe()).Der, extra.Der], new(root.AsBundle()), Now));
    }

    [Fact]
    [Trait("rule", "X509-23")]
    public void Expired_intermediate()
    {
        var expired = Root.Issue(CertificateRecipe.Authority("expired") with { NotAfter = Now.AddSeconds(-1) });
        AssertRefused("expired or not yet valid", expired.Issue(new CertificateRecipe()), expired);
    }

    [Fact]
    [Trait("rule", "X509-23")]
    public void Expired_root()
    {
        var root = ForgedCertificate.SelfSigned(CertificateRecipe.Authority("old") with { NotAfter = Now.AddSeconds(-1) });
        AssertRefused("expired or not yet valid", X509SvidVerifier.Verify([root.Issue(new CertificateRecipe()).Der], new(root.AsBundle()), Now));
    }

    [Fact]
    [Trait("rule", "X509-23")]
    public void Self_signed_leaf()
    {
        var leaf = ForgedCertificate.SelfSigned(new CertificateRecipe { Subject = "me" });
        AssertRefused("self-issued", leaf);
        AssertRefused("self-issued", X509SvidVerifier.Verify([leaf.Der], new(leaf.AsBundle()), Now));
    }

    [Fact]
    [Trait("rule", "X509-23")]
    public void A_self_signed_leaf_in_the_name_of_the_root() => AssertRefused("self-issued", ForgedCertificate.SelfSigned(new CertificateRecipe { Subject = "root" }), Root);

    [Fact]
    [Trait("rule", "X509-23")]
    public void A_leaf_that_signs_another_leaf()
    {
        var leaf = Issuing.Issue(new CertificateRecipe { Subject = "leaf" });
        AssertRefused("cA=true", leaf.Issue(new CertificateRecipe()), leaf, Issuing);
    }

    [Fact]
    [Trait("rule", "X509-21")]
    public void Wrong_EKU() => AssertRefused("serverAuth and clientAuth", Root.Issue(new CertificateRecipe { ExtendedKeyUsage = ["1.3.6.1.5.5.7.3.3"] }));

    [Fact]
    [Trait("rule", "X509-22")]
    public void Wrong_EKU_of_the_authority()
    {
        var signing = Root.Issue(CertificateRecipe.Authority("code") with { ExtendedKeyUsage = ["1.3.6.1.5.5.7.3.3"] });
        AssertRefused("signing certificate's extended key usage", signing.Issue(new CertificateRecipe()), signing);
    }

    [Theory]
    [InlineData(1024)]
    [InlineData(2040)]
    [Trait("rule", "X509-23")]
    public void Weak_RSA_keys(int bits)
    {
        AssertRefused("2048 to 8192 bits", Root.Issue(new CertificateRecipe { Key = RSA.Create(bits) }));
        var weak = Root.Issue(CertificateRecipe.Authority("weak") with { Key = RSA.Create(bits) });
        AssertRefused("2048 to 8192 bits", weak.Issue(new CertificateRecipe()), weak);
    }

    [Theory]
    [InlineData("secp256k1")]
    [InlineData("nistP224")]
    [InlineData("brainpoolP256r1")]
    [Trait("rule", "X509-23")]
    [Trait("needs", "OpenSSL with the curve")]
    public void Keys_on_other_curves(string curve)
    {
        using var key = MakeKeyOrNull(curve);
        if (key is null) Assert.Skip($"this machine's OpenSSL has no {curve}");
        AssertRefused("P-256, P-384 or P-521", Root.Issue(new CertificateRecipe { Key = key }));
    }

    [Fact]
    [Trait("rule", "X509-23")]
    public void A_curve_written_out_by_its_parameters()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        AssertRefused("P-256, P-384 or P-521", Root.Issue(new CertificateRecipe
        {
            SpoilSignedPart = tbs => tbs[6][0].Children[1] = DerTree.Parse(ExplicitParameters()),
        }));
    }

    [Theory]
    [InlineData(3)]
    [InlineData(1)]
    [InlineData(65536)]
    [Trait("rule", "X509-23")]
    public void A_weak_RSA_exponent(int exponent)
    {
        using var rsa = RSA.Create(2048);
        var parameters = rsa.ExportParameters(false);
        var writer = new System.Formats.Asn1.AsnWriter(System.Formats.Asn1.AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            writer.WriteIntegerUnsigned(parameters.Modulus);
            writer.WriteInteger(exponent);
        }

        AssertRefused("odd exponent", Root.Issue(new CertificateRecipe { Key = rsa, SpoilSignedPart = tbs => tbs[6][1].Content = [0, .. writer.Encode()] }));
    }

    [Theory]
    [InlineData("SHA1")]
    [InlineData("MD5")]
    [Trait("rule", "X509-23")]
    public void Weak_hashes(string hash)
    {
        var root = ForgedCertificate.SelfSigned(CertificateRecipe.Authority("rsa") with { Key = RSA.Create(2048) });
        var weak = root.Issue(CertificateRecipe.Authority("weak") with { Key = RSA.Create(2048), Hash = new HashAlgorithmName(hash) });
        AssertRefused(
            "signature algorithm is not allowed",
            X509SvidVerifier.Verify([weak.Issue(new CertificateRecipe()).Der, weak.Der], new(root.AsBundle()), Now));
    }

    [Fact]
    [Trait("rule", "X509-23")]
    public void Signature_algorithm_mismatch() =>
        AssertRefused("two different signature algorithms", Root.Issue(new CertificateRecipe { OuterAlgorithm = "1.2.840.10045.4.3.3" }));

    [Fact]
    [Trait("rule", "X509-23")]
    public void A_signature_algorithm_of_another_kind_of_key() =>
        AssertRefused("a signature in the chain is wrong", Root.Issue(new CertificateRecipe
        {
            OuterAlgorithm = "1.2.840.113549.1.1.11",
            SpoilSignedPart = tbs =>
            {
                tbs[2].Children.Clear();
                tbs[2].Children.Add(DerTree.Primitive(0x06, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x0B));
                tbs[2].Children.Add(DerTree.Primitive(0x05));
            },
        }));

    [Fact]
    [Trait("rule", "X509-23")]
    public void Unknown_critical_extension()
    {
        AssertRefused("1.2.3.4", Root.Issue(new CertificateRecipe { MoreExtensions = [("1.2.3.4", true, Null)] }));
        var signing = Root.Issue(CertificateRecipe.Authority("odd") with { MoreExtensions = [("1.2.3.4", true, Null)] });
        AssertRefused("1.2.3.4", signing.Issue(new CertificateRecipe()), signing);
    }

    [Fact]
    public void An_unknown_extension_that_is_not_critical_does_no_harm() =>
        Assert.IsType<X509SvidVerification.Verified>(Verify(Root.Issue(new CertificateRecipe { MoreExtensions = [("1.2.3.4", false, Null)] })));

    [Theory]
    [InlineData("2.5.29.32", true)]
    [InlineData("2.5.29.33", false)]
    [InlineData("2.5.29.36", true)]
    [InlineData("2.5.29.36", false)]
    [InlineData("2.5.29.54", true)]
    [InlineData("2.5.29.54", false)]
    [Trait("rule", "X509-23")]
    public void Policies_that_nobody_here_evaluates(string oid, bool critical)
    {
        byte[] value = oid == "2.5.29.54" ? [0x02, 0x01, 0x00] : [0x30, 0x03, 0x80, 0x01, 0x00];
        var signing = Root.Issue(CertificateRecipe.Authority("policy") with { MoreExtensions = [(oid, critical, value)] });
        AssertRefused(oid, signing.Issue(new CertificateRecipe()), signing);
    }

    [Fact]
    [Trait("rule", "X509-23")]
    public void Duplicate_extension()
    {
        AssertRefused("2.5.29.15\" twice", Root.Issue(new CertificateRecipe { MoreExtensions = [(CertificateOids.KeyUsage, true, [0x03, 0x02, 0x07, 0x80])] }));
        AssertRefused("1.2.3.4\" twice", Root.Issue(new CertificateRecipe { MoreExtensions = [("1.2.3.4", false, Null), ("1.2.3.4", false, Null)] }));
    }

    [Fact]
    [Trait("rule", "X509-23")]
    public void Version_1()
    {
        AssertRefused("version 3", Root.Issue(new CertificateRecipe { IsVersion3 = false }));
        var signing = Root.Issue(CertificateRecipe.Authority("v1") with { IsVersion3 = false });
        AssertRefused("version 3", signing.Issue(new CertificateRecipe()), signing);
    }

    [Fact]
    [Trait("rule", "X509-23")]
    public void Negative_serial() => AssertRefused("serial number", Root.Issue(new CertificateRecipe { SerialNumber = [0x80] }));

    [Fact]
    [Trait("rule", "X509-23")]
    public void An_issuer_without_a_name()
    {
        var nameless = ForgedCertificate.SelfSigned(CertificateRecipe.Authority(""));
        AssertRefused("an empty issuer", X509SvidVerifier.Verify([nameless.Issue(new CertificateRecipe { Subject = "x" }).Der], new(nameless.AsBundle()), Now));
    }

    [Fact]
    [Trait("rule", "X509-05")]
    public void No_subject_and_a_name_that_is_not_critical() => AssertRefused("not critical", Root.Issue(new CertificateRecipe { CriticalAlternativeNames = false }));

    [Fact]
    public void Huge_chain_of_many() => AssertRefused("9 certificates", [.. Enumerable.Repeat(Issuing, 9)]);

    [Fact]
    public void Huge_chain_of_big_ones()
    {
        var big = Root.Issue(new CertificateRecipe { MoreExtensions = [("1.2.3.4", false, DerTree.Encode(0x04, new byte[15_000]))] });
        AssertRefused("at most 65536", big, big, big, big, big);
        AssertRefused("at most 16384", Root.Issue(new CertificateRecipe { MoreExtensions = [("1.2.3.4", false, DerTree.Encode(0x04, new byte[17_000]))] }));
    }

    [Fact]
    public void A_thousand_names() => AssertRefused("more than 128 alternative names", Root.Issue(new CertificateRecipe { DnsNames = [.. Enumerable.Range(0, 1000).Select(i => $"{i}.x")] }));

    [Fact]
    public void A_hundred_extensions() =>
        AssertRefused("more than 32 extensions", Root.Issue(new CertificateRecipe { MoreExtensions = [.. Enumerable.Range(0, 100).Select(i => ($"1.2.3.{i}", false, Null))] }));

    [Fact]
    [Trait("rule", "X509-23")]
    public void A_refusal_never_repeats_more_than_a_line_of_foreign_text()
    {
        var refused = Assert.IsType<X509SvidVerification.Refused>(Verify(Root.Issue(new CertificateRecipe { Uris = ["spiffe://example.org/" + new string('%', 9_000)] })));
        Assert.True(refused.Reason.Length < 500);
    }

    private static ECDsa? MakeKeyOrNull(string curve)
    {
        try
        {
            return ECDsa.Create(ECCurve.CreateFromFriendlyName(curve));
        }
        catch (Exception e) when (e is PlatformNotSupportedException or CryptographicException)
        {
            return null;
        }
    }

    // SEC 1 §C.2, ECParameters of P-256: what CVE-2020-0601 was made of.
    private static byte[] ExplicitParameters()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var curve = key.ExportExplicitParameters(false).Curve;
        var writer = new System.Formats.Asn1.AsnWriter(System.Formats.Asn1.AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            writer.WriteInteger(1);
            using (writer.PushSequence())
            {
                writer.WriteObjectIdentifier("1.2.840.10045.1.1");
                writer.WriteIntegerUnsigned(curve.Prime);
            }

            using (writer.PushSequence())
            {
                writer.WriteOctetString(curve.A);
                writer.WriteOctetString(curve.B);
            }

            writer.WriteOctetString([0x04, .. curve.G.X!, .. curve.G.Y!]);
            writer.WriteIntegerUnsigned(curve.Order);
            writer.WriteInteger(1);
        }

        return writer.Encode();
    }

    private static X509SvidVerification Verify(params ForgedCertificate[] chain) =>
        X509SvidVerifier.Verify([.. chain.Select(certificate => (ReadOnlyMemory<byte>)certificate.Der)], Bundles, Now);

    private static void AssertRefused(string reason, params ForgedCertificate[] chain) => AssertRefused(reason, Verify(chain));

    private static void AssertRefused(string reason, X509SvidVerification verification) =>
        Assert.Contains(reason, Assert.IsType<X509SvidVerification.Refused>(verification).Reason, StringComparison.Ordinal);
}
