using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Identity.Issuance;
using Spiffe.Net;
using Xunit;

namespace Identity.Conformance.Tests;

/// <summary>X509-SVID §§2-5: what the validator does with good and bad chains of a trusted root, and what the issuer writes.</summary>
public sealed class X509SvidRules
{
    private static readonly Authority Root = Authority.Root();
    private static readonly TrustBundleSet Bundles = BundlesOf("td", Root.Der);

    private static readonly Dictionary<string, (string Rule, LeafVector Leaf, string Reason)> BadLeaves = new()
    {
        ["two URI names"] = ("X509-02", new() { Uris = ["spiffe://td/x", "spiffe://td/y"] }, "2 URI names"),
        ["a second URI name that is no SPIFFE ID"] = ("X509-02", new() { Uris = ["spiffe://td/x", "https://td/"] }, "2 URI names"),
        ["the same URI name twice"] = ("X509-28", new() { Uris = ["spiffe://td/x", "spiffe://td/x"] }, "2 URI names"),
        ["no URI name"] = ("X509-28", new() { Uris = [], DnsNames = ["td"] }, "0 URI names"),
        ["an empty subject and names that are not critical"] = ("X509-05", new() { CriticalNames = false }, "not critical"),
        ["cA"] = ("X509-24", new() { IsAuthority = true }, "cA=true"),
        ["the whole profile of a signing certificate"] = ("X509-10", LeafVector.SigningCertificate("x") with { Uris = ["spiffe://td/x"] }, "cA=true"),
        ["keyCertSign"] = ("X509-25", new() { KeyUsage = X509KeyUsageFlags.DigitalSignature | X509KeyUsageFlags.KeyCertSign }, "keyCertSign or cRLSign"),
        ["cRLSign"] = ("X509-25", new() { KeyUsage = X509KeyUsageFlags.DigitalSignature | X509KeyUsageFlags.CrlSign }, "keyCertSign or cRLSign"),
        ["no key usage"] = ("X509-15", new() { KeyUsage = null }, "no key usage"),
        ["a key usage that is not critical"] = ("X509-15", new() { CriticalKeyUsage = false }, "not critical"),
        ["no digitalSignature"] = ("X509-17", new() { KeyUsage = X509KeyUsageFlags.KeyAgreement }, "digitalSignature"),
        ["serverAuth alone"] = ("X509-21", new() { Purposes = [LeafVector.ServerAuth] }, "serverAuth and clientAuth"),
        ["clientAuth alone"] = ("X509-21", new() { Purposes = [LeafVector.ClientAuth] }, "serverAuth and clientAuth"),
        ["a URI of another scheme"] = ("X509-26", new() { Uris = ["https://td/x"] }, "spiffe://"),
        ["a SPIFFE ID without a path"] = ("X509-27", new() { Uris = ["spiffe://td"] }, "no path"),
        ["a SPIFFE ID whose path is a slash"] = ("X509-27", new() { Uris = ["spiffe://td/"] }, "'/'"),
        ["another trust domain, whose bundle is not there"] = ("X509-23", new() { Uris = ["spiffe://other/x"] }, "no trust bundle"),
        ["its time over"] = ("X509-23", new() { NotAfter = LeafVector.Now.AddSeconds(-1) }, "expired"),
        ["its time to come"] = ("X509-23", new() { NotBefore = LeafVector.Now.AddSeconds(1) }, "not valid before"),
    };

    private static readonly Dictionary<string, (string Rule, LeafVector Leaf)> GoodLeaves = new()
    {
        ["one URI name"] = ("X509-01", new()),
        ["DNS names and addresses beside it"] = ("X509-03", new() { DnsNames = ["x.td", "y.td"], Addresses = ["127.0.0.1", "::1"] }),
        ["a subject and names that are not critical"] = ("X509-05", new() { Subject = "CN=x", CriticalNames = false }),
        ["keyEncipherment and keyAgreement"] = ("X509-18", new() { KeyUsage = X509KeyUsageFlags.DigitalSignature | X509KeyUsageFlags.KeyEncipherment | X509KeyUsageFlags.KeyAgreement }),
        ["no extended key usage"] = ("X509-20", new() { Purposes = [] }),
        ["a critical extended key usage"] = ("X509-20", new() { CriticalPurposes = true }),
        ["a third purpose"] = ("X509-21", new() { Purposes = [LeafVector.ServerAuth, LeafVector.ClientAuth, "1.3.6.1.5.5.7.3.3"] }),
    };

    private static readonly Dictionary<string, (string Rule, LeafVector Signing, string Reason)> BadAuthorities = new()
    {
        ["no cA"] = ("X509-12", LeafVector.SigningCertificate("i") with { IsAuthority = false }, "cA=true"),
        ["no keyCertSign"] = ("X509-06", LeafVector.SigningCertificate("i") with { KeyUsage = X509KeyUsageFlags.CrlSign }, "key usage keyCertSign"),
        ["no key usage"] = ("X509-16", LeafVector.SigningCertificate("i") with { KeyUsage = null }, "key usage keyCertSign"),
        ["the profile of a leaf"] = ("X509-19", new LeafVector { Subject = "CN=i" }, "cA=true"),
        ["its time over"] = ("X509-23", LeafVector.SigningCertificate("i") with { NotAfter = LeafVector.Now.AddSeconds(-1) }, "expired or not yet valid"),
        ["name constraints for another trust domain"] = ("X509-14", LeafVector.SigningCertificate("i") with { Also = PermittedUri("other") }, "its URI violates the name constraints"),
    };

    private static readonly Dictionary<string, (string Rule, LeafVector Signing)> GoodAuthorities = new()
    {
        ["no SPIFFE ID"] = ("X509-07", LeafVector.SigningCertificate("i") with { Uris = [] }),
        ["a path length of zero"] = ("X509-11", LeafVector.SigningCertificate("i") with { PathLength = 0 }),
        ["no cRLSign"] = ("X509-16", LeafVector.SigningCertificate("i") with { KeyUsage = X509KeyUsageFlags.KeyCertSign }),
        ["digitalSignature beside keyCertSign"] = ("X509-36", LeafVector.SigningCertificate("i") with { KeyUsage = X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.DigitalSignature }),
        ["name constraints for the trust domain of the leaf"] = ("X509-14", LeafVector.SigningCertificate("i") with { Also = PermittedUri("td") }),
        ["both purposes"] = ("X509-22", LeafVector.SigningCertificate("i") with { Purposes = [LeafVector.ServerAuth, LeafVector.ClientAuth] }),
        ["the SPIFFE ID of the specification's example, with its trailing slash"] = ("X509-07", LeafVector.SigningCertificate("i") with { Uris = ["spiffe://td/"] }),
    };

    public static IEnumerable<TheoryDataRow<string>> BadLeafRows => BadLeaves.Select(row => Rule.Row(row.Value.Rule, row.Key));

    public static IEnumerable<TheoryDataRow<string>> GoodLeafRows => GoodLeaves.Select(row => Rule.Row(row.Value.Rule, row.Key));

    public static IEnumerable<TheoryDataRow<string>> BadAuthorityRows => BadAuthorities.Select(row => Rule.Row(row.Value.Rule, row.Key));

    public static IEnumerable<TheoryDataRow<string>> GoodAuthorityRows => GoodAuthorities.Select(row => Rule.Row(row.Value.Rule, row.Key));

    [Theory]
    [MemberData(nameof(BadLeafRows))]
    public void A_leaf_is_refused_that_has(string flaw)
    {
        var (_, leaf, reason) = BadLeaves[flaw];
        var refused = Assert.IsType<X509SvidVerification.Refused>(Verify(Root.Sign(leaf)));
        Assert.Contains(reason, refused.Reason, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(GoodLeafRows))]
    public void A_leaf_is_accepted_that_has(string trait) => AssertVerified(Verify(Root.Sign(GoodLeaves[trait].Leaf)));

    [Theory]
    [MemberData(nameof(BadAuthorityRows))]
    public void A_chain_is_refused_whose_intermediate_has(string flaw)
    {
        var (_, signing, reason) = BadAuthorities[flaw];
        var intermediate = Root.Issue(signing);
        var refused = Assert.IsType<X509SvidVerification.Refused>(Verify(intermediate.Sign(new LeafVector()), intermediate.Der));
        Assert.Contains(reason, refused.Reason, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(GoodAuthorityRows))]
    public void A_chain_is_accepted_whose_intermediate_has(string trait)
    {
        var intermediate = Root.Issue(GoodAuthorities[trait].Signing);
        AssertVerified(Verify(intermediate.Sign(new LeafVector()), intermediate.Der));
    }

    [Fact]
    [Trait(Rule.Trait, "X509-09")]
    public void Signing_certificates_may_issue_signing_certificates_of_another_trust_domain()
    {
        var foreign = Root.Issue(LeafVector.SigningCertificate("foreign") with { Uris = ["spiffe://other"] });
        var below = foreign.Issue(LeafVector.SigningCertificate("below"));
        AssertVerified(Verify(below.Sign(new LeafVector()), below.Der, foreign.Der));
    }

    [Fact]
    [Trait(Rule.Trait, "X509-23")]
    public void The_bundle_of_another_trust_domain_makes_no_SVID_of_this_one()
    {
        var other = Authority.Root(LeafVector.SigningCertificate("other") with { Uris = ["spiffe://other"] });
        var federated = new TrustBundleSet([.. Bundles.Bundles, .. BundlesOf("other", other.Der).Bundles]);
        var refused = Assert.IsType<X509SvidVerification.Refused>(X509SvidVerifier.Verify([other.Sign(new LeafVector())], federated, LeafVector.Now));
        Assert.Contains("does not end at an authority of its trust domain's bundle", refused.Reason, StringComparison.Ordinal);
        Assert.IsType<X509SvidVerification.Verified>(
            X509SvidVerifier.Verify([other.Sign(new LeafVector { Uris = ["spiffe://other/x"] })], federated, LeafVector.Now));
    }

    [Fact]
    [Trait(Rule.Trait, "X509-01")]
    [Trait(Rule.Trait, "X509-05")]
    [Trait(Rule.Trait, "X509-13")]
    [Trait(Rule.Trait, "X509-15")]
    [Trait(Rule.Trait, "X509-17")]
    [Trait(Rule.Trait, "X509-19")]
    [Trait(Rule.Trait, "X509-20")]
    [Trait(Rule.Trait, "X509-21")]
    [Trait(Rule.Trait, "SID-22")]
    public void The_issuer_writes_leaves_that_keep_the_profile()
    {
        using var leaf = X509CertificateLoader.LoadCertificate(Issued.Chain(SigningAlgorithm.Es256, LeafVector.Now).Svid.Leaf.Span);
        Assert.Equal([0x30, 0x00], leaf.SubjectName.RawData);
        var names = leaf.Extensions.Single(extension => extension.Oid?.Value == "2.5.29.17");
        Assert.True(names.Critical);
        Assert.Equal([Issued.Id.ToString()], Uris(names));
        Assert.False(leaf.Extensions.OfType<X509BasicConstraintsExtension>().Single().CertificateAuthority);
        var usage = leaf.Extensions.OfType<X509KeyUsageExtension>().Single();
        Assert.True(usage.Critical);
        Assert.Equal(X509KeyUsageFlags.DigitalSignature, usage.KeyUsages);
        var purposes = leaf.Extensions.OfType<X509EnhancedKeyUsageExtension>().Single().EnhancedKeyUsages;
        Assert.Equal([LeafVector.ServerAuth, LeafVector.ClientAuth], purposes.Cast<Oid>().Select(oid => oid.Value).Order(StringComparer.Ordinal));
    }

    [Fact]
    [Trait(Rule.Trait, "X509-06")]
    [Trait(Rule.Trait, "X509-07")]
    [Trait(Rule.Trait, "X509-08")]
    [Trait(Rule.Trait, "X509-12")]
    [Trait(Rule.Trait, "X509-16")]
    [Trait(Rule.Trait, "X509-36")]
    [Trait(Rule.Trait, "SID-20")]
    [Trait(Rule.Trait, "SID-21")]
    public void The_authorities_are_signing_certificates_that_name_their_trust_domain()
    {
        var (svid, _) = Issued.Chain(SigningAlgorithm.Es256, LeafVector.Now);
        foreach (var der in svid.Chain.Skip(1).Append(svid.Root))
        {
            using var authority = X509CertificateLoader.LoadCertificate(der.Span);
            Assert.True(authority.Extensions.OfType<X509BasicConstraintsExtension>().Single() is { CertificateAuthority: true, Critical: true });
            var usage = authority.Extensions.OfType<X509KeyUsageExtension>().Single();
            Assert.True(usage.Critical);
            Assert.Equal(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, usage.KeyUsages);
            Assert.Equal(["spiffe://example.org"], Uris(authority.Extensions.Single(extension => extension.Oid?.Value == "2.5.29.17")));
        }
    }

    [Theory]
    [InlineData("spiffe://example.org", "names a trust domain, not a workload")]
    [InlineData("spiffe://other/x", "is not in the trust domain example.org")]
    [Trait(Rule.Trait, "X509-04")]
    [Trait(Rule.Trait, "X509-08")]
    public void The_issuer_signs_no_leaf_for(string id, string reason)
    {
        var issuer = Issued.Chain(SigningAlgorithm.Es256, LeafVector.Now).Issuer;
        using var key = LocalAuthorityKey.Generate(SigningAlgorithm.Es256);
        var refused = Assert.IsType<X509SvidPreparation.Refused>(issuer.Prepare(new X509SvidRequest(SpiffeId.Parse(id), key.PublicKey), LeafVector.Now));
        Assert.Contains(reason, refused.Reason, StringComparison.Ordinal);
    }

    private static X509SvidVerification Verify(params byte[][] chain) =>
        X509SvidVerifier.Verify([.. chain.Select(der => (ReadOnlyMemory<byte>)der)], Bundles, LeafVector.Now);

    private static void AssertVerified(X509SvidVerification verification)
    {
        Assert.True(verification is X509SvidVerification.Verified, (verification as X509SvidVerification.Refused)?.Reason);
        Assert.Equal("spiffe://td/x", ((X509SvidVerification.Verified)verification).Id.ToString());
    }

    private static TrustBundleSet BundlesOf(string trustDomain, byte[] root) =>
        TrustBundle.TryCreate(TrustDomain.Parse(trustDomain), [root], [], null, null, out var bundle, out var problem)
            ? new TrustBundleSet(bundle)
            : throw new InvalidOperationException(problem);

    private static List<string> Uris(X509Extension names)
    {
        var uri = new Asn1Tag(TagClass.ContextSpecific, 6);
        var reader = new AsnReader(names.RawData, AsnEncodingRules.DER).ReadSequence();
        List<string> uris = [];
        while (reader.HasData)
        {
            if (reader.PeekTag() == uri) uris.Add(reader.ReadCharacterString(UniversalTagNumber.IA5String, uri));
            else reader.ReadEncodedValue();
        }

        return uris;
    }

    // RFC 5280 §4.2.1.10: permittedSubtrees [0] of one GeneralSubtree whose base is a URI host.
    private static X509Extension PermittedUri(string host)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        using (writer.PushSequence(new Asn1Tag(TagClass.ContextSpecific, 0)))
        using (writer.PushSequence())
            writer.WriteCharacterString(UniversalTagNumber.IA5String, host, new Asn1Tag(TagClass.ContextSpecific, 6));
        return new X509Extension("2.5.29.30", writer.Encode(), critical: true);
    }
}
