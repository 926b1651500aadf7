using System.Security.Cryptography.X509Certificates;
using Identity.Issuance;
using Spiffe.Net;
using Xunit;

namespace Identity.Tests.Issuance;

public class X509AuthorityTests
{
    [Trait("rule", "X509-06")]
    [Trait("rule", "X509-07")]
    [Trait("rule", "X509-08")]
    [Trait("rule", "X509-12")]
    [Trait("rule", "X509-15")]
    [Trait("rule", "X509-16")]
    [Trait("rule", "SID-21")]
    [Theory]
    [InlineData("ES256")]
    [InlineData("ES384")]
    [InlineData("RS256")]
    public void A_root_has_the_profile_of_a_signing_certificate(string name)
    {
        var root = TestAuthority.CreateRoot(name switch { "ES384" => SigningAlgorithm.Es384, "RS256" => SigningAlgorithm.Rs256, _ => SigningAlgorithm.Es256 });
        Assert.True(CertificateFields.TryRead(root.Root, out var fields, out _));
        Assert.Null(SvidProfile.FindAuthorityProblem(fields));
        Assert.Equal(["spiffe://example.org"], fields.AlternativeNames.Uris);
        Assert.Equal(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, fields.KeyUsage);
        Assert.True(fields.HasCriticalKeyUsage && fields.HasCriticalBasicConstraints && !fields.HasPathLength);
        Assert.Null(fields.ExtendedKeyUsage);
        Assert.Empty(root.Intermediates);
    }

    [Trait("rule", "X509-09")]
    [Trait("rule", "X509-11")]
    [Fact]
    public void An_issuing_authority_hangs_under_its_root_and_may_sign_leaves_only()
    {
        var authority = TestAuthority.Create();
        Assert.True(CertificateFields.TryRead(authority.Certificate, out var fields, out _));
        Assert.Equal(0, fields.Extensions.PathLength);
        Assert.Single(authority.Intermediates);
        Assert.NotEqual(authority.Root, authority.Certificate);
        Assert.Equal(authority.Id, Convert.ToHexStringLower(fields.SubjectKeyIdentifier.Span));
    }

    [Fact]
    public void An_issuing_authority_ends_no_later_than_its_root()
    {
        var root = TestAuthority.CreateRoot();
        var issuing = X509AuthorityFactory.CreateIssuing(root, LocalAuthorityKey.Generate(SigningAlgorithm.Es256), TestAuthority.Now.AddYears(-1), TestAuthority.Now.AddYears(1));
        Assert.Equal(root.NotAfter, issuing.NotAfter);
        Assert.Equal(root.NotBefore, issuing.NotBefore);
    }

    [Fact]
    public void Is_put_together_again_from_what_a_keeper_stored()
    {
        using var key = LocalAuthorityKey.Generate(SigningAlgorithm.Es256);
        var made = X509AuthorityFactory.CreateIssuing(TestAuthority.CreateRoot(), key, TestAuthority.Now.AddHours(-1), TestAuthority.Now.AddHours(23));
        Assert.True(LocalAuthorityKey.TryImportPkcs8(key.ExportPkcs8(), out var again, out _));
        Assert.True(X509Authority.TryCreate(TestAuthority.Domain, again, made.Path, out var loaded, out _));
        Assert.Equal(made.Id, loaded.Id);
        Assert.Equal(made.NotAfter, loaded.NotAfter);
    }

    [Fact]
    public void Refuses_a_key_that_is_not_the_certificates()
    {
        var authority = TestAuthority.Create();
        AssertRefused("does not belong", TestAuthority.Domain, LocalAuthorityKey.Generate(SigningAlgorithm.Es256), authority.Path);
    }

    [Fact]
    public void Refuses_a_path_that_does_not_hold_together()
    {
        using var key = LocalAuthorityKey.Generate(SigningAlgorithm.Es256);
        var authority = X509AuthorityFactory.CreateIssuing(TestAuthority.CreateRoot(), key, TestAuthority.Now.AddHours(-1), TestAuthority.Now.AddHours(23));
        AssertRefused("do not form a path", TestAuthority.Domain, key, [authority.Certificate, TestAuthority.CreateRoot().Root]);
        AssertRefused("not self-signed", TestAuthority.Domain, key, [authority.Certificate]);
        AssertRefused("0 certificates", TestAuthority.Domain, key, []);
        AssertRefused("do not form a path", TestAuthority.Domain, key, [authority.Certificate, TestAuthority.CreateRoot().Root, authority.Root]);
    }

    [Trait("rule", "X509-08")]
    [Fact]
    public void Refuses_to_sign_for_another_trust_domain()
    {
        using var key = LocalAuthorityKey.Generate(SigningAlgorithm.Es256);
        var root = X509AuthorityFactory.CreateRoot(TestAuthority.Domain, key, TestAuthority.Now, TestAuthority.Now.AddHours(1));
        AssertRefused("spiffe://other.org", TrustDomain.Parse("other.org"), key, root.Path);
    }

    [Trait("rule", "X509-06")]
    [Fact]
    public void Refuses_a_leaf_as_authority()
    {
        using var key = LocalAuthorityKey.Generate(SigningAlgorithm.Es256);
        var authority = TestAuthority.Create();
        var issuer = new X509SvidIssuer(authority, IssuanceProfile.Default);
        var draft = Assert.IsType<X509SvidPreparation.Prepared>(issuer.Prepare(new X509SvidRequest(SpiffeId.Parse("spiffe://example.org/x"), key.PublicKey), TestAuthority.Now)).Draft;
        AssertRefused("cA=true", TestAuthority.Domain, key, [.. issuer.Issue(draft).Chain, authority.Root]);
    }

    private static void AssertRefused(string reason, TrustDomain domain, IAuthorityKey key, IReadOnlyList<ReadOnlyMemory<byte>> path)
    {
        Assert.False(X509Authority.TryCreate(domain, key, path, out var authority, out var problem));
        Assert.Null(authority);
        Assert.Contains(reason, problem, StringComparison.Ordinal);
    }
}
