using Identity.Issuance;
using Spiffe.Net;

namespace Identity.Conformance.Tests;

/// <summary>What our own authority and issuer make.</summary>
internal static class Issued
{
    public static readonly SpiffeId Id = SpiffeId.Parse("spiffe://example.org/hosts/local");

    /// <summary>An SVID under an issuing certificate under a root.</summary>
    public static (IssuedX509Svid Svid, X509SvidIssuer Issuer) Chain(SigningAlgorithm algorithm, DateTimeOffset now, SubjectPublicKey? key = null)
    {
        var root = X509AuthorityFactory.CreateRoot(Id.TrustDomain, LocalAuthorityKey.Generate(algorithm), now.AddHours(-1), now.AddDays(30));
        var issuing = X509AuthorityFactory.CreateIssuing(root, LocalAuthorityKey.Generate(algorithm), now.AddHours(-1), now.AddDays(1));
        var issuer = new X509SvidIssuer(issuing, IssuanceProfile.Default);
        var request = new X509SvidRequest(Id, key ?? LocalAuthorityKey.Generate(SigningAlgorithm.Es256).PublicKey);
        return issuer.Prepare(request, now) is X509SvidPreparation.Prepared prepared
            ? (issuer.Issue(prepared.Draft), issuer)
            : throw new InvalidOperationException("the issuer refused a good request");
    }
}
