using Identity.Issuance;
using Spiffe.Net;

namespace Identity.Tests.Issuance;

/// <summary>An authority in memory: root and issuing certificate, a day long around <see cref="Now"/>.</summary>
internal static class TestAuthority
{
    public static readonly DateTimeOffset Now = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    public static readonly TrustDomain Domain = TrustDomain.Parse("example.org");

    private static readonly Lazy<byte[]> RsaKey = new(() =>
    {
        using var key = System.Security.Cryptography.RSA.Create(2048);
        return key.ExportPkcs8PrivateKey();
    });

    public static X509Authority Create(SigningAlgorithm? algorithm = null, TimeSpan? left = null)
    {
        var root = CreateRoot(algorithm);
        return X509AuthorityFactory.CreateIssuing(
            root, NewSigner(algorithm), Now.AddHours(-1), Now + (left ?? TimeSpan.FromHours(23)));
    }

    public static X509Authority CreateRoot(SigningAlgorithm? algorithm = null) =>
        X509AuthorityFactory.CreateRoot(Domain, NewSigner(algorithm), Now.AddDays(-1), Now.AddDays(30));

    public static JwtSigningAuthority CreateJwt(SigningAlgorithm? algorithm = null, TimeSpan? left = null) =>
        JwtSigningAuthority.TryCreate(
            Domain, NewSigner(algorithm), Now.AddHours(-1), Now + (left ?? TimeSpan.FromHours(23)), out var authority, out var problem)
            ? authority
            : throw new InvalidOperationException(problem);

    public static SubjectPublicKey NewKey(SigningAlgorithm? algorithm = null) => NewSigner(algorithm).PublicKey;

    /// <summary>EC keys are new each time; there is one RSA key for all tests, because making one takes a second.</summary>
    private static LocalAuthorityKey NewSigner(SigningAlgorithm? algorithm)
    {
        if (algorithm != SigningAlgorithm.Rs256) return LocalAuthorityKey.Generate(algorithm ?? SigningAlgorithm.Es256);
        return LocalAuthorityKey.TryImportPkcs8(RsaKey.Value, out var key, out var problem) ? key : throw new InvalidOperationException(problem);
    }

    public static TrustBundleSet BundlesOf(X509Authority authority) =>
        TrustBundle.TryCreate(Domain, [authority.Root], [], null, null, out var bundle, out var problem)
            ? new TrustBundleSet(bundle)
            : throw new InvalidOperationException(problem);

    public static TrustBundleSet BundlesOf(JwtSigningAuthority authority) =>
        TrustBundle.TryCreate(Domain, [], [authority.Public], null, null, out var bundle, out var problem)
            ? new TrustBundleSet(bundle)
            : throw new InvalidOperationException(problem);
}
