using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Spiffe.Net;

namespace Identity.Issuance;

/// <summary>A key that signs X509-SVIDs together with the certificates that make it trusted. Does not own the key.</summary>
public sealed class X509Authority
{
    private readonly ReadOnlyMemory<byte>[] _path;

    private X509Authority(TrustDomain trustDomain, IAuthorityKey key, ReadOnlyMemory<byte>[] path, CertificateFields issuing, DateTimeOffset notBefore, DateTimeOffset notAfter)
    {
        TrustDomain = trustDomain;
        Key = key;
        Signer = new CheckedSigner(key);
        _path = path;
        SubjectName = issuing.Subject;
        KeyIdentifier = issuing.SubjectKeyIdentifier;
        NotBefore = notBefore;
        NotAfter = notAfter;
    }

    public TrustDomain TrustDomain { get; }

    /// <summary>DER of the certificate whose key signs.</summary>
    public ReadOnlyMemory<byte> Certificate => _path[0];

    /// <summary>DER certificates an SVID carries after its leaf: from the issuing one up, without the root; empty when the root itself issues.</summary>
    public IReadOnlyList<ReadOnlyMemory<byte>> Intermediates => _path[..^1];

    /// <summary>DER of the self-signed certificate that belongs in the bundle.</summary>
    public ReadOnlyMemory<byte> Root => _path[^1];

    /// <summary>From the issuing certificate to the root, as <see cref="TryCreate"/> takes it.</summary>
    public IReadOnlyList<ReadOnlyMemory<byte>> Path => _path;

    /// <summary>Lowercase hex of the issuing certificate's subject key identifier: the authority's ID in SPIRE's words.</summary>
    public string Id => Convert.ToHexStringLower(KeyIdentifier.Span);

    public DateTimeOffset NotBefore { get; }

    /// <summary>When the first certificate of the path ends; no SVID outlives it.</summary>
    public DateTimeOffset NotAfter { get; }

    internal IAuthorityKey Key { get; }

    /// <summary>One for all issuers of this authority, so that a fault stops every one of them.</summary>
    internal CheckedSigner Signer { get; }

    internal ReadOnlyMemory<byte> SubjectName { get; }

    internal ReadOnlyMemory<byte> KeyIdentifier { get; }

    /// <param name="path">DER certificates: the one of <paramref name="key"/> first, the self-signed root last (the same one when the root issues).</param>
    public static bool TryCreate(
        TrustDomain trustDomain,
        IAuthorityKey key,
        IReadOnlyList<ReadOnlyMemory<byte>> path,
        [NotNullWhen(true)] out X509Authority? authority,
        [NotNullWhen(false)] out string? problem)
    {
        authority = null;
        if (path.Count is 0 or >= X509SvidVerifier.MaxChainLength)
        {
            problem = $"the authority has {path.Count} certificates; expected 1 to {X509SvidVerifier.MaxChainLength - 1}";
            return false;
        }

        ReadOnlyMemory<byte>[] own = [.. path.Select(der => (ReadOnlyMemory<byte>)der.ToArray())];
        var certificates = new List<CertificateFields>();
        foreach (var der in own)
        {
            if (!CertificateFields.TryRead(der, out var certificate, out problem)) return false;
            problem = SvidProfile.FindAuthorityProblem(certificate);
            if (problem is not null) return false;
            certificates.Add(certificate);
        }

        problem = FindIssuingProblem(trustDomain, key, certificates[0]) ?? FindPathProblem(own, certificates);
        if (problem is not null) return false;
        authority = new X509Authority(
            trustDomain, key, own, certificates[0], certificates.Max(c => c.NotBefore), certificates.Min(c => c.NotAfter));
        return true;
    }

    private static string? FindIssuingProblem(TrustDomain trustDomain, IAuthorityKey key, CertificateFields issuing)
    {
        // X509-SVID §3.2: a signing certificate's ID has no path and lies in the trust domain it issues for.
        if (issuing.AlternativeNames.Uris is not [var uri] || uri != trustDomain.Id.ToString())
            return $"the issuing certificate does not carry {trustDomain.Id} as its only URI name";
        if (issuing.SubjectKeyIdentifier.IsEmpty) return "the issuing certificate has no subject key identifier";
        if (issuing.HasEmptySubject) return "the issuing certificate has an empty subject";
        if (!issuing.SubjectPublicKeyInfo.Span.SequenceEqual(key.PublicKey.SubjectPublicKeyInfo.Span))
            return "the authority key does not belong to the issuing certificate";

        // A key that signs wrongly is found here, not by the first workload.
        Span<byte> signature = new byte[key.Algorithm.MaxSignatureLength];
        var written = key.Sign("probe"u8, signature, SignatureEncoding.X509);
        return key.Algorithm.Verify(key.PublicKey, "probe"u8, signature[..written], SignatureEncoding.X509)
            ? null
            : "the authority key makes signatures that its public key does not verify";
    }

    private static string? FindPathProblem(ReadOnlyMemory<byte>[] path, List<CertificateFields> certificates)
    {
        if (!certificates[^1].Issuer.Span.SequenceEqual(certificates[^1].Subject.Span)) return "the last certificate of the authority is not self-signed";
        var loaded = path.Select(der => X509CertificateLoader.LoadCertificate(der.Span)).ToArray();
        using var chain = new X509Chain();
        try
        {
            chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
            chain.ChainPolicy.CustomTrustStore.Add(loaded[^1]);
            chain.ChainPolicy.ExtraStore.AddRange(loaded);
            chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
            chain.ChainPolicy.DisableCertificateDownloads = true;
            chain.ChainPolicy.VerificationTime = certificates.Max(c => c.NotBefore).UtcDateTime;
            return chain.Build(loaded[0]) && chain.ChainElements.Count == path.Length
                ? null
                : "the authority's certificates do not form a path from the issuing one to the root";
        }
        catch (CryptographicException)
        {
            return "the authority's certificates cannot be processed";
        }
        finally
        {
            foreach (var element in chain.ChainElements) element.Certificate.Dispose();
            foreach (var certificate in loaded) certificate.Dispose();
        }
    }
}
