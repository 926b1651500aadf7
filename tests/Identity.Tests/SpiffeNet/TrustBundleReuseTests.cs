using System.Security.Cryptography;
using Spiffe.Net;
using Xunit;

namespace Identity.Tests.SpiffeNet;

/// <summary>Whoever is told the same bundle again and again learns nothing anew of it, and forgets what is no longer in it.</summary>
public class TrustBundleReuseTests
{
    private static readonly DateTimeOffset Now = CertificateRecipe.Now;
    private static readonly TrustDomain Domain = TrustDomain.Parse("example.org");

    private readonly ForgedCertificate _root = ForgedCertificate.SelfSigned(CertificateRecipe.Authority("root"));
    private readonly ForgedCertificate _other = ForgedCertificate.SelfSigned(CertificateRecipe.Authority("other"));

    [Fact]
    public void The_same_authorities_are_the_same_bundle()
    {
        var first = Read(null, _root, _other);
        Assert.Same(first, Read(first, _root, _other));
        Assert.NotSame(first, Read(null, _root, _other));
        Assert.NotSame(first, Read(first, _other, _root));
        Assert.NotSame(first, Read(first, _root));
    }

    [Fact]
    public void A_bundle_with_one_more_authority_knows_what_was_known_of_the_others()
    {
        var issuing = _root.Issue(CertificateRecipe.Authority("issuing"));
        var first = Read(null, _root);
        AssertVerified(first, issuing);
        var known = first.X509Anchors.FindKnown(issuing.Der);
        Assert.NotNull(known);

        var second = Read(first, _other, _root);
        Assert.Same(first.X509Anchors.All[0], second.X509Anchors.All[1]);
        Assert.Same(first.X509Authorities[0], second.X509Authorities[1]);
        Assert.Same(known, second.X509Anchors.FindKnown(issuing.Der));
        AssertVerified(second, issuing);
        Assert.Same(known, second.X509Anchors.FindKnown(issuing.Der));
    }

    [Fact]
    public void What_is_learnt_later_changes_neither_the_earlier_bundle_nor_the_next()
    {
        var first = Read(null, _root);
        var second = Read(first, _root, _other);
        AssertVerified(second, _other.Issue(CertificateRecipe.Authority("issuing")));
        Assert.Equal((0, 1), (first.X509Anchors.KnownIntermediates, second.X509Anchors.KnownIntermediates));
    }

    [Fact]
    public void What_was_signed_by_an_authority_that_is_gone_is_refused_though_it_was_known()
    {
        var issuing = _root.Issue(CertificateRecipe.Authority("issuing"));
        var first = Read(null, _root, _other);
        AssertVerified(first, issuing);
        var second = Read(first, _other);
        Assert.NotNull(second.X509Anchors.FindKnown(issuing.Der));
        AssertRefused("does not end at an authority", Verify(second, issuing));

        // Nothing in common, so nothing is taken over.
        var third = Read(first, ForgedCertificate.SelfSigned(CertificateRecipe.Authority("third")));
        Assert.Equal(0, third.X509Anchors.KnownIntermediates);
        AssertRefused("does not end at an authority", Verify(third, issuing));
    }

    [Fact]
    public void An_authority_of_the_same_name_with_another_key_takes_nothing_over()
    {
        var issuing = _root.Issue(CertificateRecipe.Authority("issuing"));
        var first = Read(null, _root, _other);
        AssertVerified(first, issuing);
        var impostor = ForgedCertificate.SelfSigned(CertificateRecipe.Authority("root") with { Key = ECDsa.Create(ECCurve.NamedCurves.nistP256) });
        AssertRefused("a signature in the chain is wrong", Verify(Read(first, impostor, _other), issuing));
    }

    [Fact]
    public void A_bundle_of_another_trust_domain_is_no_earlier_one() =>
        Assert.Throws<ArgumentException>(() => TrustBundle.TryParseX509(TrustDomain.Parse("other.org"), _root.Der, Read(null, _root), out _, out _));

    [Fact]
    public void A_bundle_that_says_more_than_authorities_is_not_given_back_for_them_alone()
    {
        Assert.True(TrustBundle.TryCreate(Domain, [_root.Der], [], 7, null, out var numbered, out var problem), problem);
        var read = Read(numbered, _root);
        Assert.Null(read.SequenceNumber);
        Assert.Same(numbered.X509Anchors.All[0], read.X509Anchors.All[0]);
    }

    private static void AssertRefused(string reason, X509SvidVerification verification) =>
        Assert.Contains(reason, Assert.IsType<X509SvidVerification.Refused>(verification).Reason, StringComparison.Ordinal);

    private static void AssertVerified(TrustBundle bundle, ForgedCertificate issuing) => Assert.IsType<X509SvidVerification.Verified>(Verify(bundle, issuing));

    private static X509SvidVerification Verify(TrustBundle bundle, ForgedCertificate issuing) =>
        X509SvidVerifier.Verify([issuing.Issue(new CertificateRecipe()).Der, issuing.Der], new TrustBundleSet(bundle), Now);

    private static TrustBundle Read(TrustBundle? earlier, params ForgedCertificate[] roots) =>
        TrustBundle.TryParseX509(Domain, (byte[])[.. roots.SelectMany(root => root.Der)], earlier, out var bundle, out var problem)
            ? bundle
            : throw new InvalidOperationException(problem);
}
