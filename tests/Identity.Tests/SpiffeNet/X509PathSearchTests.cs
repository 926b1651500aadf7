using System.Security.Cryptography;
using Spiffe.Net;
using Xunit;

namespace Identity.Tests.SpiffeNet;

/// <summary>Which paths are found, and how little a stranger can make us look for them.</summary>
[Trait("rule", "X509-23")]
public class X509PathSearchTests
{
    private static readonly DateTimeOffset Now = CertificateRecipe.Now;
    private static readonly ForgedCertificate Root = ForgedCertificate.SelfSigned(CertificateRecipe.Authority("root"));
    private static readonly ForgedCertificate Issuing = Root.Issue(CertificateRecipe.Authority("issuing"));

    [Fact]
    public void Finds_the_way_whatever_the_order_of_what_was_sent()
    {
        var second = Issuing.Issue(CertificateRecipe.Authority("second"));
        var leaf = second.Issue(new CertificateRecipe());
        AssertVerified(Verify([leaf, Root, Issuing, second], Root));
        AssertVerified(Verify([leaf, second, Issuing, second, Root], Root));
    }

    [Fact]
    public void Steps_back_from_a_cross_signed_intermediate_that_leads_elsewhere()
    {
        var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var elsewhere = ForgedCertificate.SelfSigned(CertificateRecipe.Authority("elsewhere"));
        var wrong = elsewhere.Issue(CertificateRecipe.Authority("bridge") with { Key = key });
        var expired = Root.Issue(CertificateRecipe.Authority("bridge") with { Key = key, NotAfter = Now.AddMinutes(-1) });
        var good = Root.Issue(CertificateRecipe.Authority("bridge") with { Key = key });
        var leaf = good.Issue(new CertificateRecipe());
        AssertVerified(Verify([leaf, wrong, elsewhere, expired, good], Root));
        AssertRefused("expired or not yet valid", Verify([leaf, wrong, elsewhere, expired], Root));
    }

    [Fact]
    public void Cross_signed_loops_end()
    {
        var (a, b) = Loop("a", "b");
        AssertRefused("does not end at an authority", Verify([a.Issue(new CertificateRecipe()), a, b, a, b, a, b], Root));
    }

    [Fact]
    public void A_knot_of_cross_signed_authorities_costs_no_more_than_sixteen_signatures()
    {
        // Seven authorities of one name, each signed by the key of the next: every one could be above every other.
        var keys = Enumerable.Range(0, 7).Select(_ => ECDsa.Create(ECCurve.NamedCurves.nistP256)).ToArray();
        var knot = Enumerable.Range(0, 7).Select(i => ForgedCertificate
            .SelfSigned(CertificateRecipe.Authority("knot") with { Key = keys[(i + 1) % 7] })
            .Issue(CertificateRecipe.Authority("knot") with { Key = keys[i] })).ToArray();
        var leaf = knot[0].Issue(new CertificateRecipe());
        Assert.True(CertificateFields.TryRead(leaf.Der, out var fields, out _));
        var search = new X509PathSearch(Root.AsBundle().X509Anchors, [.. knot.Select(Read)], Now);
        Assert.NotNull(search.FindProblem(fields));
        Assert.Equal(X509PathSearch.MaxSteps, search.Steps);
        AssertRefused("a signature in the chain is wrong", Verify([leaf, .. knot], Root));
    }

    [Fact]
    public void A_bundle_of_many_roots_with_one_name_is_searched_by_key_identifier()
    {
        var roots = Enumerable.Range(0, 40).Select(i => ForgedCertificate.SelfSigned(Identified("root", (byte)i))).ToArray();
        var bundle = BundleOf(roots);
        var leaf = roots[39].Issue(new CertificateRecipe { MoreExtensions = [AuthorityKey(39)] });
        Assert.True(CertificateFields.TryRead(leaf.Der, out var fields, out _));
        var search = new X509PathSearch(bundle.X509Anchors, [], Now);
        Assert.Null(search.FindProblem(fields));
        Assert.Equal(1, search.Steps);
    }

    [Fact]
    public void A_key_identifier_is_only_a_hint()
    {
        var root = ForgedCertificate.SelfSigned(Identified("root", 1));
        var other = ForgedCertificate.SelfSigned(Identified("root", 2));
        var leaf = root.Issue(new CertificateRecipe { MoreExtensions = [AuthorityKey(2)] });
        AssertVerified(X509SvidVerifier.Verify([leaf.Der], new(BundleOf(other, root)), Now));
        AssertRefused("a signature in the chain is wrong", X509SvidVerifier.Verify([leaf.Der], new(BundleOf(other)), Now));
    }

    [Fact]
    public void A_straight_path_takes_a_signature_for_each_certificate_below_the_anchor()
    {
        Assert.True(CertificateFields.TryRead(Issuing.Issue(new CertificateRecipe()).Der, out var leaf, out _));
        var search = new X509PathSearch(Root.AsBundle().X509Anchors, [Read(Issuing)], Now);
        Assert.Null(search.FindProblem(leaf));
        Assert.Equal(2, search.Steps);
        Assert.Equal([Issuing.Der, Root.Der], search.Path.Select(certificate => certificate.Encoded.ToArray()));
    }

    // X509-SVID §6.1: an authority of the bundle SHOULD be self-signed, so it need not be.
    [Fact]
    [Trait("rule", "X509-32")]
    public void An_authority_of_the_bundle_that_is_not_self_signed_is_an_anchor()
    {
        var leaf = Issuing.Issue(new CertificateRecipe());
        AssertVerified(Verify([leaf], Issuing));
        AssertVerified(Verify([leaf, Issuing, Root], Issuing));
    }

    [Fact]
    public void A_sibling_of_an_anchor_is_not_trusted_for_its_parent()
    {
        var sibling = Root.Issue(CertificateRecipe.Authority("sibling"));
        AssertRefused("does not end at an authority", Verify([sibling.Issue(new CertificateRecipe()), sibling, Root], Issuing));
    }

    [Fact]
    public void A_renewed_root_vouches_for_itself_through_its_former_key()
    {
        // RFC 4210 §4.4: new key, signed with the old one; self-issued, so no path length counts it.
        var old = ForgedCertificate.SelfSigned(CertificateRecipe.Authority("rolling") with { PathLength = 0 });
        var renewed = old.Issue(CertificateRecipe.Authority("rolling") with { PathLength = 0 });
        AssertVerified(Verify([renewed.Issue(new CertificateRecipe()), renewed], old));
    }

    [Fact]
    public void Trusts_a_chain_until_its_first_certificate_ends()
    {
        var brief = Root.Issue(CertificateRecipe.Authority("brief") with { NotAfter = Now.AddMinutes(10) });
        var verified = Assert.IsType<X509SvidVerification.Verified>(Verify([brief.Issue(new CertificateRecipe()), brief], Root));
        Assert.Equal(Now.AddHours(1), verified.NotAfter);
        Assert.Equal(Now.AddMinutes(10), verified.TrustedUntil);
        Assert.Equal(Now.AddHours(1), Assert.IsType<X509SvidVerification.Verified>(Verify([Root.Issue(new CertificateRecipe())], Root)).TrustedUntil);
    }

    [Fact]
    public void Remembers_an_intermediate_that_led_to_the_bundle_and_no_other()
    {
        var bundle = Root.AsBundle();
        var stranger = ForgedCertificate.SelfSigned(CertificateRecipe.Authority("stranger"));
        var unused = Root.Issue(CertificateRecipe.Authority("unused"));
        Verify(bundle, stranger.Issue(new CertificateRecipe()), stranger);
        Assert.Equal(0, bundle.X509Anchors.KnownIntermediates);
        for (var i = 0; i < 3; i++) AssertVerified(Verify(bundle, Issuing.Issue(new CertificateRecipe()), Issuing, unused, Root));
        Assert.Equal(1, bundle.X509Anchors.KnownIntermediates);
        Assert.NotNull(bundle.X509Anchors.FindKnown(Issuing.Der));
    }

    [Fact]
    public void Judges_a_remembered_intermediate_anew_each_time()
    {
        var bundle = Root.AsBundle();
        var brief = Root.Issue(CertificateRecipe.Authority("brief") with { NotAfter = Now.AddMinutes(10), PathLength = 0 });
        AssertVerified(Verify(bundle, brief.Issue(new CertificateRecipe()), brief));
        AssertRefused("expired or not yet valid", X509SvidVerifier.Verify([brief.Issue(new CertificateRecipe()).Der, brief.Der], new(bundle), Now.AddMinutes(11)));
        var below = brief.Issue(CertificateRecipe.Authority("below"));
        AssertRefused("allows 0 intermediates", Verify(bundle, below.Issue(new CertificateRecipe()), below, brief));
        var impostor = ForgedCertificate.SelfSigned(CertificateRecipe.Authority("brief"));
        AssertRefused("a signature in the chain is wrong", Verify(bundle, impostor.Issue(new CertificateRecipe()), brief));
        AssertRefused("does not end at", Verify(bundle, Root.Issue(CertificateRecipe.Authority("x")).Issue(new CertificateRecipe()), brief));
    }

    [Fact]
    public void Remembers_no_more_than_its_bound()
    {
        var bundle = Root.AsBundle();
        for (var i = 0; i < X509TrustAnchors.MaxKnownIntermediates + 5; i++)
        {
            var intermediate = Root.Issue(CertificateRecipe.Authority($"i{i}"));
            AssertVerified(Verify(bundle, intermediate.Issue(new CertificateRecipe()), intermediate));
        }

        Assert.Equal(X509TrustAnchors.MaxKnownIntermediates, bundle.X509Anchors.KnownIntermediates);
    }

    [Fact]
    public void Is_not_misled_by_bytes_that_change_after_they_were_remembered()
    {
        var bundle = Root.AsBundle();
        var buffer = Issuing.Der.ToArray();
        AssertVerified(X509SvidVerifier.Verify([Issuing.Issue(new CertificateRecipe()).Der, buffer], new(bundle), Now));
        Array.Clear(buffer);
        AssertVerified(Verify(bundle, Issuing.Issue(new CertificateRecipe()), Issuing));
        AssertRefused("not well-formed DER", X509SvidVerifier.Verify([Issuing.Issue(new CertificateRecipe()).Der, buffer], new(bundle), Now));
    }

    [Fact]
    public void Answers_many_threads_at_once()
    {
        var bundle = Root.AsBundle();
        var leaf = Issuing.Issue(new CertificateRecipe());
        Parallel.For(0, 64, _ => AssertVerified(Verify(bundle, leaf, Issuing)));
    }

    [Theory]
    [InlineData("P-384")]
    [InlineData("P-521")]
    [InlineData("RSA")]
    [InlineData("RSA-PSS")]
    public void Verifies_signatures_of(string kind)
    {
        AsymmetricAlgorithm key = kind switch
        {
            "P-384" => ECDsa.Create(ECCurve.NamedCurves.nistP384),
            "P-521" => ECDsa.Create(ECCurve.NamedCurves.nistP521),
            _ => RSA.Create(2048),
        };
        var root = ForgedCertificate.SelfSigned(CertificateRecipe.Authority("r") with { Key = key, SignsWithPss = kind == "RSA-PSS" });
        AssertVerified(Verify([root.Issue(new CertificateRecipe())], root));
        var impostor = ForgedCertificate.SelfSigned(CertificateRecipe.Authority("r"));
        AssertRefused("a signature in the chain is wrong", Verify([impostor.Issue(new CertificateRecipe())], root));
    }

    private static (ForgedCertificate A, ForgedCertificate B) Loop(string first, string second)
    {
        var (one, other) = (ECDsa.Create(ECCurve.NamedCurves.nistP256), ECDsa.Create(ECCurve.NamedCurves.nistP256));
        var a = ForgedCertificate.SelfSigned(CertificateRecipe.Authority(second) with { Key = other }).Issue(CertificateRecipe.Authority(first) with { Key = one });
        var b = a.Issue(CertificateRecipe.Authority(second) with { Key = other });
        return (a, b);
    }

    private static CertificateRecipe Identified(string name, byte key) =>
        CertificateRecipe.Authority(name) with { MoreExtensions = [(CertificateOids.SubjectKeyIdentifier, false, [0x04, 0x01, key])] };

    private static (string Oid, bool Critical, byte[] Value) AuthorityKey(byte key) => (CertificateOids.AuthorityKeyIdentifier, false, [0x30, 0x03, 0x80, 0x01, key]);

    private static SigningCertificate Read(ForgedCertificate certificate) =>
        SigningCertificate.TryRead(certificate.Der, out var read, out var problem) ? read : throw new InvalidOperationException(problem);

    private static TrustBundle BundleOf(params ForgedCertificate[] roots) =>
        TrustBundle.TryCreate(TrustDomain.Parse("example.org"), [.. roots.Select(root => (ReadOnlyMemory<byte>)root.Der)], [], null, null, out var bundle, out var problem)
            ? bundle
            : throw new InvalidOperationException(problem);

    private static X509SvidVerification Verify(ForgedCertificate[] chain, ForgedCertificate anchor) => Verify(anchor.AsBundle(), chain);

    private static X509SvidVerification Verify(TrustBundle bundle, params ForgedCertificate[] chain) =>
        X509SvidVerifier.Verify([.. chain.Select(certificate => (ReadOnlyMemory<byte>)certificate.Der)], new TrustBundleSet(bundle), Now);

    private static void AssertVerified(X509SvidVerification verification) =>
        Assert.True(verification is X509SvidVerification.Verified, (verification as X509SvidVerification.Refused)?.Reason);

    private static void AssertRefused(string reason, X509SvidVerification verification) =>
        Assert.Contains(reason, Assert.IsType<X509SvidVerification.Refused>(verification).Reason, StringComparison.Ordinal);
}
