using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Spiffe.Net;
using Xunit;

namespace Identity.Tests.SpiffeNet;

public class X509SvidVerifierTests
{
    private static readonly DateTimeOffset Now = CertificateRecipe.Now;
    private static readonly byte[] Null = [0x05, 0x00];

    private static readonly ForgedCertificate Root = ForgedCertificate.SelfSigned(CertificateRecipe.Authority("root"));
    private static readonly ForgedCertificate Issuing = Root.Issue(CertificateRecipe.Authority("issuing") with { PathLength = 0 });
    private static readonly TrustBundleSet Bundles = new(Root.AsBundle());

    [Fact]
    [Trait("rule", "X509-23")]
    public void Accepts_a_leaf_under_the_root()
    {
        var verified = Assert.IsType<X509SvidVerification.Verified>(VerifyUnder(Root, new CertificateRecipe()));
        Assert.Equal("spiffe://example.org/hosts/local", verified.Id.ToString());
        Assert.Equal("42", verified.SerialNumber);
        Assert.Equal(Now.AddHours(1), verified.NotAfter);
    }

    [Fact]
    public void Accepts_a_leaf_under_an_intermediate_that_the_peer_sent() =>
        Assert.IsType<X509SvidVerification.Verified>(Verify([Issuing.Issue(new CertificateRecipe()).Der, Issuing.Der]));

    [Fact]
    public void Accepts_a_chain_that_includes_the_root() =>
        Assert.IsType<X509SvidVerification.Verified>(Verify([Issuing.Issue(new CertificateRecipe()).Der, Issuing.Der, Root.Der]));

    [Fact]
    public void Accepts_what_a_TLS_callback_holds()
    {
        using var leaf = X509CertificateLoader.LoadCertificate(Issuing.Issue(new CertificateRecipe()).Der);
        using var issuing = X509CertificateLoader.LoadCertificate(Issuing.Der);
        Assert.IsType<X509SvidVerification.Verified>(X509SvidVerifier.Verify(leaf, [issuing], Bundles, Now));
    }

    [Theory]
    [InlineData("P-384")]
    [InlineData("P-521")]
    [InlineData("RSA-2048")]
    public void Accepts_the_other_keys_too(string key) =>
        Assert.IsType<X509SvidVerification.Verified>(VerifyUnder(Root, new CertificateRecipe { Key = MakeKey(key) }));

    [Fact]
    [Trait("rule", "X509-20")]
    public void Accepts_a_leaf_without_extended_key_usage_or_basic_constraints() =>
        Assert.IsType<X509SvidVerification.Verified>(
            VerifyUnder(Root, new CertificateRecipe { ExtendedKeyUsage = null, HasBasicConstraints = false }));

    /// <summary>Leaves signed by the trusted root that must be refused all the same: what is wrong, and the words that say so.</summary>
    private static readonly Dictionary<string, (CertificateRecipe Recipe, string Reason)> BadLeaves = new()
    {
        ["an authority as leaf"] = (new() { IsAuthority = true }, "cA=true"),
        ["an authority in every respect"] = (CertificateRecipe.Authority("x") with { Uris = ["spiffe://example.org/x"] }, "cA=true"),
        ["a path length without cA"] = (new() { PathLength = 0 }, "path length"),
        ["keyCertSign"] = (new() { KeyUsage = CertificateRecipe.DigitalSignature | CertificateRecipe.CertificateSign }, "keyCertSign or cRLSign"),
        ["cRLSign"] = (new() { KeyUsage = CertificateRecipe.DigitalSignature | CertificateRecipe.CrlSign }, "keyCertSign or cRLSign"),
        ["no key usage"] = (new() { KeyUsage = null }, "no key usage"),
        ["key usage that is not critical"] = (new() { CriticalKeyUsage = false }, "key usage is not critical"),
        ["no digitalSignature"] = (new() { KeyUsage = 0x20 }, "digitalSignature"),
        ["serverAuth alone"] = (new() { ExtendedKeyUsage = [CertificateOids.ServerAuthentication] }, "serverAuth and clientAuth"),
        ["anyExtendedKeyUsage alone"] = (new() { ExtendedKeyUsage = ["2.5.29.37.0"] }, "serverAuth and clientAuth"),
        ["two URI names"] = (new() { Uris = ["spiffe://example.org/a", "spiffe://example.org/b"] }, "2 URI names"),
        ["a second URI that is no SPIFFE ID"] = (new() { Uris = ["spiffe://example.org/a", "https://example.org/"] }, "2 URI names"),
        ["no alternative name"] = (new() { Uris = [], Subject = "local" }, "0 URI names"),
        ["a URI that is no SPIFFE ID"] = (new() { Uris = ["https://example.org/hosts/local"] }, "spiffe://"),
        ["an uppercase trust domain"] = (new() { Uris = ["spiffe://EXAMPLE.org/a"] }, "\"E\""),
        ["a SPIFFE ID without path"] = (new() { Uris = ["spiffe://example.org"] }, "no path"),
        ["a SPIFFE ID with trailing slash"] = (new() { Uris = ["spiffe://example.org/"] }, "'/'"),
        ["an empty subject and a name that is not critical"] = (new() { CriticalAlternativeNames = false }, "not critical"),
        ["a foreign trust domain"] = (new() { Uris = ["spiffe://other.org/a"] }, "no trust bundle for the trust domain other.org"),
        ["a subdomain of the trust domain"] = (new() { Uris = ["spiffe://a.example.org/a"] }, "no trust bundle"),
        ["expired"] = (new() { NotAfter = Now.AddSeconds(-1) }, "expired"),
        ["not yet valid"] = (new() { NotBefore = Now.AddSeconds(1) }, "not valid before"),
        ["an RSA key of 1024 bits"] = (new() { Key = MakeKey("RSA-1024") }, "2048 to 8192 bits"),
        ["a key on another curve"] = (new() { Key = MakeKey("secp256k1") }, "P-256, P-384 or P-521"),
        ["serial number zero"] = (new() { SerialNumber = [0] }, "serial number"),
        ["a serial number of 21 bytes"] = (new() { SerialNumber = [.. Enumerable.Repeat((byte)0x11, 21)] }, "serial number"),
        ["a negative serial number"] = (new() { SerialNumber = [0x80] }, "serial number"),
        ["version 1"] = (new() { IsVersion3 = false }, "version 3"),
        ["an unknown critical extension"] = (new() { MoreExtensions = [("1.2.3.4", true, Null)] }, "1.2.3.4"),
        ["an extension twice"] = (new() { MoreExtensions = [(CertificateOids.KeyUsage, true, [0x03, 0x02, 0x07, 0x80])] }, "twice"),
        ["name constraints on a leaf"] = (new() { MoreExtensions = [(CertificateOids.NameConstraints, true, [0x30, 0x00])] }, "name constraints"),
        ["two signature algorithms"] = (new() { OuterAlgorithm = "1.2.840.10045.4.3.3" }, "two different signature algorithms"),
    };

    public static TheoryData<string> BadLeafNames => [.. BadLeaves.Keys];

    [Theory]
    [MemberData(nameof(BadLeafNames))]
    [Trait("rule", "X509-23")]
    public void Refuses_a_leaf_with(string flaw)
    {
        var (recipe, reason) = BadLeaves[flaw];
        AssertRefused(reason, VerifyUnder(Root, recipe));
    }

    private static readonly Dictionary<string, (CertificateRecipe Recipe, string Reason)> BadAuthorities = new()
    {
        ["no cA"] = (CertificateRecipe.Authority("i") with { IsAuthority = false }, "cA=true"),
        ["no basic constraints"] = (CertificateRecipe.Authority("i") with { HasBasicConstraints = false }, "cA=true"),
        ["basic constraints that are not critical"] = (CertificateRecipe.Authority("i") with { CriticalBasicConstraints = false }, "not critical"),
        ["no keyCertSign"] = (CertificateRecipe.Authority("i") with { KeyUsage = CertificateRecipe.CrlSign }, "keyCertSign"),
        ["no key usage"] = (CertificateRecipe.Authority("i") with { KeyUsage = null }, "keyCertSign"),
        ["a leaf's profile"] = (new CertificateRecipe { Subject = "i" }, "cA=true"),
        ["an RSA key of 1024 bits"] = (CertificateRecipe.Authority("i") with { Key = MakeKey("RSA-1024") }, "2048 to 8192 bits"),
        ["its time over"] = (CertificateRecipe.Authority("i") with { NotAfter = Now.AddSeconds(-1) }, "expired or not yet valid"),
        ["version 1"] = (CertificateRecipe.Authority("i") with { IsVersion3 = false }, "version 3"),
        ["serial number zero"] = (CertificateRecipe.Authority("i") with { SerialNumber = [0] }, "serial number"),
        ["a SHA-1 signature below it"] = (CertificateRecipe.Authority("i") with { Hash = HashAlgorithmName.SHA1 }, "signature algorithm is not allowed"),
        ["an unknown critical extension"] = (CertificateRecipe.Authority("i") with { MoreExtensions = [("1.2.3.4", true, Null)] }, "\"1.2.3.4\", which is critical"),
    };

    public static TheoryData<string> BadAuthorityNames => [.. BadAuthorities.Keys];

    [Theory]
    [MemberData(nameof(BadAuthorityNames))]
    [Trait("rule", "X509-23")]
    [Trait("rule", "X509-06")]
    public void Refuses_a_chain_through_an_intermediate_with(string flaw)
    {
        var (recipe, reason) = BadAuthorities[flaw];
        var bad = Root.Issue(recipe);
        AssertRefused(reason, Verify([bad.Issue(new CertificateRecipe()).Der, bad.Der]));
    }

    [Theory]
    [MemberData(nameof(BadAuthorityNames))]
    [Trait("rule", "X509-23")]
    public void Refuses_a_chain_up_to_a_root_with(string flaw)
    {
        var (recipe, reason) = BadAuthorities[flaw];
        var bad = ForgedCertificate.SelfSigned(recipe);

        // One that cannot be read is not let into a bundle; what it is good for is asked of it there.
        var isReadable = flaw != "version 1";
        Assert.Equal(isReadable, TrustBundle.TryCreate(TrustDomain.Parse("example.org"), [bad.Der], [], null, null, out var bundle, out var problem));
        if (isReadable) AssertRefused(reason, X509SvidVerifier.Verify([bad.Issue(new CertificateRecipe()).Der], new TrustBundleSet(bundle!), Now));
        else Assert.Contains(reason, problem, StringComparison.Ordinal);
    }

    // §2, §5.2: one at most; which one would name its trust domain?
    [Theory]
    [InlineData("spiffe://example.org", "spiffe://other.org")]
    [InlineData("spiffe://example.org", "https://example.org/")]
    [Trait("rule", "X509-02")]
    public void Refuses_a_chain_through_a_signing_certificate_with_two_URI_names(string one, string other)
    {
        var recipe = CertificateRecipe.Authority("two") with { Uris = [one, other] };
        var intermediate = Root.Issue(recipe);
        AssertRefused("2 URI names", Verify([intermediate.Issue(new CertificateRecipe()).Der, intermediate.Der]));
        var anchor = ForgedCertificate.SelfSigned(recipe);
        AssertRefused("2 URI names", X509SvidVerifier.Verify([anchor.Issue(new CertificateRecipe()).Der], new TrustBundleSet(anchor.AsBundle()), Now));
    }

    [Fact]
    public void Refuses_a_leaf_of_a_root_with_the_same_name_but_another_key()
    {
        var impostor = ForgedCertificate.SelfSigned(CertificateRecipe.Authority("root"));
        AssertRefused("a signature in the chain is wrong", Verify([impostor.Issue(new CertificateRecipe()).Der]));
        AssertRefused("a signature in the chain is wrong", Verify([impostor.Issue(new CertificateRecipe()).Der, impostor.Der]));
    }

    [Fact]
    public void Refuses_a_chain_to_a_root_that_only_the_peer_vouches_for()
    {
        var unknown = ForgedCertificate.SelfSigned(CertificateRecipe.Authority("unknown"));
        AssertRefused("does not end at an authority", Verify([unknown.Issue(new CertificateRecipe()).Der, unknown.Der]));
    }

    [Fact]
    [Trait("rule", "X509-23")]
    [Trait("rule", "TDB-03")]
    public void Refuses_a_leaf_that_the_root_of_another_trust_domain_signed()
    {
        var foreign = ForgedCertificate.SelfSigned(CertificateRecipe.Authority("foreign") with { Uris = ["spiffe://other.org"] });
        var bundles = Bundles.With(foreign.AsBundle("other.org"));
        AssertRefused("does not end at an authority", X509SvidVerifier.Verify([foreign.Issue(new CertificateRecipe()).Der], bundles, Now));
    }

    [Fact]
    public void Refuses_a_leaf_that_another_leaf_signed()
    {
        var leaf = Root.Issue(new CertificateRecipe { Subject = "leaf" });
        AssertRefused("cA=true", Verify([leaf.Issue(new CertificateRecipe()).Der, leaf.Der]));
    }

    [Fact]
    public void Refuses_a_second_intermediate_below_a_path_length_of_zero()
    {
        var tooDeep = Issuing.Issue(CertificateRecipe.Authority("too deep"));
        AssertRefused("allows 0 intermediates below it; there are 1", Verify([tooDeep.Issue(new CertificateRecipe()).Der, tooDeep.Der, Issuing.Der]));
    }

    [Fact]
    public void Refuses_when_the_intermediate_is_missing() =>
        AssertRefused("does not end at an authority", Verify([Issuing.Issue(new CertificateRecipe()).Der]));

    [Fact]
    public void Refuses_a_leaf_that_sits_in_the_bundle_itself()
    {
        var selfSigned = ForgedCertificate.SelfSigned(new CertificateRecipe { Subject = "me" });
        AssertRefused("self-issued", X509SvidVerifier.Verify([selfSigned.Der], new TrustBundleSet(selfSigned.AsBundle()), Now));
    }

    [Theory]
    [InlineData(6, true)]
    [InlineData(7, false)]
    public void Follows_no_more_than_eight_certificates(int intermediates, bool isAllowed)
    {
        var (issuer, chain) = (Root, new List<ReadOnlyMemory<byte>>());
        for (var i = 0; i < intermediates; i++)
        {
            issuer = issuer.Issue(CertificateRecipe.Authority($"level {i}"));
            chain.Insert(0, issuer.Der);
        }

        chain.Insert(0, issuer.Issue(new CertificateRecipe()).Der);
        if (isAllowed) Assert.IsType<X509SvidVerification.Verified>(Verify(chain));
        else AssertRefused("more than 8 certificates", Verify(chain));
    }

    [Fact]
    public void Refuses_a_chain_of_more_than_eight_certificates_unread() =>
        AssertRefused("9 certificates", Verify([.. Enumerable.Repeat<ReadOnlyMemory<byte>>(new byte[] { 0xFF }, 9)]));

    [Fact]
    public void Refuses_an_empty_chain() => AssertRefused("no certificate", Verify([]));

    [Fact]
    public void Refuses_bytes_after_the_end_of_the_leaf() =>
        AssertRefused("after its end", Verify([(byte[])[.. Root.Issue(new CertificateRecipe()).Der, 0x00]]));

    [Fact]
    public void Refuses_bytes_after_the_end_of_an_intermediate() =>
        AssertRefused("after its end", Verify([Issuing.Issue(new CertificateRecipe()).Der, (byte[])[.. Issuing.Der, 0x00]]));

    [Fact]
    public void Refuses_a_certificate_beyond_the_size_bound() =>
        AssertRefused("at most 16384", VerifyUnder(Root, new CertificateRecipe { MoreExtensions = [("1.2.3.4", false, OctetString(17_000))] }));

    [Fact]
    public void Refuses_a_leaf_with_one_changed_byte_wherever_it_is()
    {
        var genuine = Root.Issue(new CertificateRecipe()).Der;
        for (var position = 0; position < genuine.Length; position += 7)
        {
            var changed = (byte[])genuine.Clone();
            changed[position] ^= 0x01;
            Assert.IsType<X509SvidVerification.Refused>(Verify([changed]));
        }
    }

    [Fact]
    [Trait("rule", "TDB-10")]
    [Trait("rule", "X509-35")]
    public void Trusts_nobody_without_bundles()
    {
        ReadOnlyMemory<byte>[] chain = [Root.Issue(new CertificateRecipe()).Der];
        AssertRefused("no trust bundle", X509SvidVerifier.Verify(chain, TrustBundleSet.Empty, Now));
        TrustBundle.TryCreate(TrustDomain.Parse("example.org"), [], [], null, null, out var empty, out _);
        AssertRefused("no X.509 authority", X509SvidVerifier.Verify(chain, new TrustBundleSet(empty!), Now));
    }

    [Fact]
    [Trait("rule", "X509-23")]
    public void Is_valid_at_the_first_second_and_refused_after_the_last()
    {
        ReadOnlyMemory<byte>[] chain = [Root.Issue(new CertificateRecipe()).Der];
        Assert.IsType<X509SvidVerification.Verified>(X509SvidVerifier.Verify(chain, Bundles, Now.AddMinutes(-1)));
        AssertRefused("not valid before", X509SvidVerifier.Verify(chain, Bundles, Now.AddMinutes(-1).AddTicks(-1)));
        Assert.IsType<X509SvidVerification.Verified>(X509SvidVerifier.Verify(chain, Bundles, Now.AddHours(1).AddSeconds(-1)));
        AssertRefused("expired", X509SvidVerifier.Verify(chain, Bundles, Now.AddHours(1).AddTicks(1)));
    }

    [Fact]
    public void Does_not_depend_on_how_the_present_is_written() =>
        Assert.IsType<X509SvidVerification.Verified>(
            X509SvidVerifier.Verify([Root.Issue(new CertificateRecipe()).Der], Bundles, Now.ToOffset(TimeSpan.FromHours(9))));

    private static X509SvidVerification VerifyUnder(ForgedCertificate issuer, CertificateRecipe leaf) => Verify([issuer.Issue(leaf).Der]);

    private static X509SvidVerification Verify(IReadOnlyList<ReadOnlyMemory<byte>> chain) => X509SvidVerifier.Verify(chain, Bundles, Now);

    private static void AssertRefused(string reason, X509SvidVerification verification) =>
        Assert.Contains(reason, Assert.IsType<X509SvidVerification.Refused>(verification).Reason, StringComparison.Ordinal);

    private static byte[] OctetString(int length)
    {
        var writer = new System.Formats.Asn1.AsnWriter(System.Formats.Asn1.AsnEncodingRules.DER);
        writer.WriteOctetString(new byte[length]);
        return writer.Encode();
    }

    private static AsymmetricAlgorithm MakeKey(string name) => name switch
    {
        "P-384" => ECDsa.Create(ECCurve.NamedCurves.nistP384),
        "P-521" => ECDsa.Create(ECCurve.NamedCurves.nistP521),
        "secp256k1" => ECDsa.Create(ECCurve.CreateFromFriendlyName("secp256k1")),
        "RSA-1024" => RSA.Create(1024),
        _ => RSA.Create(2048),
    };
}
