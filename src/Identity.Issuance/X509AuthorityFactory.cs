using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Spiffe.Net;

namespace Identity.Issuance;

/// <summary>Makes the certificates of an authority. Rare work, so it is left to the base library's <see cref="CertificateRequest"/>.</summary>
public static class X509AuthorityFactory
{
    /// <summary>A self-signed root: what goes into the bundle.</summary>
    public static X509Authority CreateRoot(TrustDomain trustDomain, IAuthorityKey key, DateTimeOffset notBefore, DateTimeOffset notAfter)
    {
        var serial = SerialNumber.Draw();
        var name = Name("root", serial);
        var request = Describe(trustDomain, key, name, pathLength: null);
        var generator = new AuthoritySignatureGenerator(key, new CheckedSigner(key));
        request.CertificateExtensions.Add(AuthorityKeyIdentifier(KeyIdentifierOf(key)));
        using var certificate = request.Create(name, generator, notBefore, notAfter, serial);
        return Accept(trustDomain, key, [certificate.RawData]);
    }

    /// <summary>An issuing certificate under <paramref name="root"/>; it may sign leaves only, and ends no later than the root.</summary>
    public static X509Authority CreateIssuing(X509Authority root, IAuthorityKey key, DateTimeOffset notBefore, DateTimeOffset notAfter)
    {
        var serial = SerialNumber.Draw();
        var request = Describe(root.TrustDomain, key, Name("issuing", serial), pathLength: 0);
        request.CertificateExtensions.Add(AuthorityKeyIdentifier(root.KeyIdentifier.Span));
        using var certificate = request.Create(
            new X500DistinguishedName(root.SubjectName.Span),
            new AuthoritySignatureGenerator(root.Key, root.Signer),
            notBefore < root.NotBefore ? root.NotBefore : notBefore,
            notAfter > root.NotAfter ? root.NotAfter : notAfter,
            serial);
        return Accept(root.TrustDomain, key, [certificate.RawData, .. root.Path]);
    }

    /// <summary>RFC 7093 §2 method 1: the leftmost 160 bits of SHA-256 over the key's bits.</summary>
    internal static ReadOnlyMemory<byte> KeyIdentifierOf(SubjectPublicKey key) => SHA256.HashData(key.Bits.Span).AsMemory(0, 20);

    private static ReadOnlySpan<byte> KeyIdentifierOf(IAuthorityKey key) => KeyIdentifierOf(key.PublicKey).Span;

    private static X509Authority Accept(TrustDomain trustDomain, IAuthorityKey key, IReadOnlyList<ReadOnlyMemory<byte>> path) =>
        X509Authority.TryCreate(trustDomain, key, path, out var authority, out var problem)
            ? authority
            : throw new CryptographicException($"the new authority is not usable: {problem}");

    // The serial number in the name keeps generations apart for path builders that look at names first.
    private static X500DistinguishedName Name(string role, byte[] serial)
    {
        var name = new X500DistinguishedNameBuilder();
        name.AddOrganizationName("SPIFFE");
        name.AddCommonName($"SPIFFE {role} authority");
        name.Add("2.5.4.5", Convert.ToHexString(serial), UniversalTagNumber.PrintableString);
        return name.Build();
    }

    private static CertificateRequest Describe(TrustDomain trustDomain, IAuthorityKey key, X500DistinguishedName name, int? pathLength)
    {
        var publicKey = PublicKey.CreateFromSubjectPublicKeyInfo(key.PublicKey.SubjectPublicKeyInfo.Span, out _);

        // The hash here only matters to signatures the request makes itself; the generator brings its own.
        var request = new CertificateRequest(name, publicKey, key.Algorithm.Hash);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, pathLength is not null, pathLength ?? 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, critical: true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(KeyIdentifierOf(key), critical: false));
        request.CertificateExtensions.Add(
            new X509Extension(CertificateOids.SubjectAlternativeName, CertificateExtensions.EncodeAlternativeName(trustDomain.Id), critical: false));
        return request;
    }

    private static X509AuthorityKeyIdentifierExtension AuthorityKeyIdentifier(ReadOnlySpan<byte> issuerKeyIdentifier) =>
        X509AuthorityKeyIdentifierExtension.CreateFromSubjectKeyIdentifier(issuerKeyIdentifier);
}
