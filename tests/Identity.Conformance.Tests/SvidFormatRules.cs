using System.Security.Cryptography;
using Identity.Issuance;
using Spiffe.Net;
using Xunit;

namespace Identity.Conformance.Tests;

/// <summary>SPIFFE-ID §3.3: one identity in each of the three formats. Each proves it to its own verifier, and to no other.</summary>
[Trait(Rule.Trait, "SID-23")]
public sealed class SvidFormatRules
{
    private const string Audience = "spiffe://example.org/service";

    private static readonly DateTimeOffset Now = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly WorkloadProofTarget Target = new(Audience);

    private readonly ECDsa _proofKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly IssuedX509Svid _x509;
    private readonly string _jwt;
    private readonly string _wit;
    private readonly string _proof;
    private readonly TrustBundleSet _bundles;

    public SvidFormatRules()
    {
        var root = X509AuthorityFactory.CreateRoot(Issued.Id.TrustDomain, LocalAuthorityKey.Generate(SigningAlgorithm.Es256), Now.AddHours(-1), Now.AddDays(30));
        var x509 = new X509SvidIssuer(root, IssuanceProfile.Default);
        var subject = LocalAuthorityKey.Generate(SigningAlgorithm.Es256).PublicKey;
        _x509 = x509.Issue(Assert.IsType<X509SvidPreparation.Prepared>(x509.Prepare(new X509SvidRequest(Issued.Id, subject), Now)).Draft);

        Assert.True(JwtSigningAuthority.TryCreate(Issued.Id.TrustDomain, LocalAuthorityKey.Generate(SigningAlgorithm.Es256), Now.AddHours(-1), Now.AddDays(1), out var jwtKey, out var problem), problem);
        var jwt = new JwtSvidIssuer(jwtKey, IssuanceProfile.Default);
        _jwt = jwt.Issue(Assert.IsType<JwtSvidPreparation.Prepared>(jwt.Prepare(new JwtSvidRequest(Issued.Id, [Audience]), Now)).Draft).Token;

        Assert.True(WitSigningAuthority.TryCreate(Issued.Id.TrustDomain, LocalAuthorityKey.Generate(SigningAlgorithm.Es256), Now.AddHours(-1), Now.AddDays(1), out var witKey, out problem), problem);
        Assert.True(SubjectPublicKey.TryParse(_proofKey.ExportSubjectPublicKeyInfo(), out var proofKey, out problem), problem);
        Assert.True(ProofKey.TryCreate(proofKey, "ES256", out var confirmed, out problem), problem);
        var wit = new WitSvidIssuer(witKey, IssuanceProfile.Default);
        _wit = wit.Issue(Assert.IsType<WitSvidPreparation.Prepared>(wit.Prepare(new WitSvidRequest(Issued.Id, confirmed), Now)).Draft).Token;
        Assert.True(WitSvid.TryParseUnverified(_wit, out var own, out problem), problem);
        _proof = WorkloadProof.Create(own, _proofKey, Target, Now);

        Assert.True(TrustBundle.TryCreate(Issued.Id.TrustDomain, [root.Root], [jwtKey.Public], [witKey.Public], null, null, out var bundle, out problem), problem);
        _bundles = new TrustBundleSet(bundle);
    }

    [Fact]
    public void Each_of_the_three_formats_proves_the_ID()
    {
        Assert.Equal(Issued.Id, Assert.IsType<X509SvidVerification.Verified>(X509SvidVerifier.Verify(_x509.Chain, _bundles, Now)).Id);
        Assert.Equal(Issued.Id, Assert.IsType<JwtSvidVerification.Verified>(JwtSvidVerifier.Verify(_jwt, Audience, _bundles, Now)).Id);
        Assert.Equal(Issued.Id, Assert.IsType<WitSvidVerification.Verified>(WitSvidVerifier.Verify(_wit, _proof, Target, _bundles, Now)).Id);
    }

    [Fact]
    public void None_of_them_is_taken_for_another()
    {
        var certificate = _x509.Chain[0];
        Assert.IsType<JwtSvidVerification.Refused>(JwtSvidVerifier.Verify(_wit, Audience, _bundles, Now));
        Assert.IsType<JwtSvidVerification.Refused>(JwtSvidVerifier.Verify(_proof, Audience, _bundles, Now));
        Assert.IsType<JwtSvidVerification.Refused>(JwtSvidVerifier.Verify(Convert.ToBase64String(certificate.Span), Audience, _bundles, Now));
        Assert.IsType<WitSvidVerification.Refused>(WitSvidVerifier.Verify(_jwt, _proof, Target, _bundles, Now));
        Assert.IsType<WitSvidVerification.Refused>(WitSvidVerifier.Verify(_wit, _jwt, Target, _bundles, Now));
        Assert.IsType<X509SvidVerification.Refused>(X509SvidVerifier.Verify([System.Text.Encoding.ASCII.GetBytes(_jwt)], _bundles, Now));
    }

    [Fact]
    public void There_is_no_fourth_verifier() =>
        Assert.Equal(
            ["JwtSvidVerifier", "WitSvidVerifier", "X509SvidVerifier"],
            typeof(SpiffeId).Assembly.GetExportedTypes().Where(type => type.Name.EndsWith("Verifier", StringComparison.Ordinal)).Select(type => type.Name).Order(StringComparer.Ordinal));
}
