using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Spiffe.Net;

/// <summary>
/// An X509-SVID of our own: a certificate chain and the private key of its leaf. Whoever handed over the key vouches for the ID; what a peer presents goes through
/// <see cref="X509SvidVerifier"/> instead. Dispose it to let go of the key.
/// </summary>
public sealed class X509Svid : IDisposable
{
    private readonly X509Certificate2[] _intermediates;

    private X509Svid(SpiffeId id, CertificateFields fields, X509Certificate2 leafWithKey, X509Certificate2[] intermediates, string hint)
    {
        Id = id;
        NotBefore = fields.NotBefore;
        NotAfter = fields.NotAfter;
        Leaf = leafWithKey;
        _intermediates = intermediates;
        Hint = hint;
    }

    /// <summary>The only URI name of the leaf (X509-SVID §2).</summary>
    public SpiffeId Id { get; }

    /// <summary>The leaf with its private key, fit for <c>SslStream</c>; owned by this SVID.</summary>
    public X509Certificate2 Leaf { get; }

    /// <summary>What to send after the leaf; owned by this SVID.</summary>
    public IReadOnlyList<X509Certificate2> Intermediates => _intermediates;

    /// <summary>What the operator calls this identity; empty when there is only one.</summary>
    public string Hint { get; }

    /// <summary>The leaf's first second.</summary>
    public DateTimeOffset NotBefore { get; }

    /// <summary>The leaf's last second.</summary>
    public DateTimeOffset NotAfter { get; }

    /// <summary>
    /// Holds the leaf to the profile (X509-SVID §4), each following certificate to that of an authority which signed the one before (Workload API §5.2.1), and the
    /// key to the leaf. Whether anybody trusts the last one, and whether it is time, is not asked.
    /// </summary>
    /// <param name="chain">DER certificates, leaf first, each followed by the one that signed it; the root is usually left out.</param>
    /// <param name="privateKey">Unencrypted PKCS#8, nothing after its end.</param>
    public static bool TryCreate(
        IReadOnlyList<ReadOnlyMemory<byte>> chain,
        ReadOnlyMemory<byte> privateKey,
        string hint,
        [NotNullWhen(true)] out X509Svid? svid,
        [NotNullWhen(false)] out string? problem)
    {
        svid = null;
        if (chain.Count is 0 or > X509SvidVerifier.MaxChainLength)
        {
            problem = $"the SVID has {chain.Count} certificates; expected 1 to {X509SvidVerifier.MaxChainLength}";
            return false;
        }

        if (!CertificateFields.TryRead(chain[0], out var fields, out problem) || !SvidProfile.TryReadLeafId(fields, out var id, out problem)) return false;
        problem = FindOrderProblem(fields, chain);
        if (problem is not null || !fields.TryReadPublicKey(out var publicKey, out problem)) return false;
        List<X509Certificate2> intermediates = [];
        try
        {
            using var certificate = X509CertificateLoader.LoadCertificate(chain[0].Span);
            foreach (var der in chain.Skip(1)) intermediates.Add(X509CertificateLoader.LoadCertificate(der.Span));
            svid = new X509Svid(id, fields, JoinKey(certificate, publicKey.Kind, privateKey.Span), [.. intermediates], hint);
            return true;
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException or NotSupportedException)
        {
            foreach (var intermediate in intermediates) intermediate.Dispose();
            problem = $"the private key of {id} is not unencrypted PKCS#8, is of no known kind, does not belong to its certificate, or an intermediate is damaged";
            return false;
        }
    }

    /// <summary>Reads an SVID as the Workload API delivers it.</summary>
    /// <param name="concatenatedChain">DER certificates laid end to end, leaf first.</param>
    public static bool TryParse(
        ReadOnlyMemory<byte> concatenatedChain,
        ReadOnlyMemory<byte> privateKey,
        string hint,
        [NotNullWhen(true)] out X509Svid? svid,
        [NotNullWhen(false)] out string? problem)
    {
        svid = null;
        return DerCertificates.TrySplit(concatenatedChain, X509SvidVerifier.MaxChainLength, out var chain, out problem)
            && TryCreate(chain, privateKey, hint, out svid, out problem);
    }

    /// <summary>The chain as the Workload API carries it: DER laid end to end, leaf first, without the key.</summary>
    public byte[] ToChainDer() => DerCertificates.Concatenate([Leaf.RawDataMemory, .. _intermediates.Select(c => c.RawDataMemory)]);

    /// <summary>The private key as unencrypted PKCS#8; zero the bytes after use.</summary>
    public byte[] ExportPkcs8PrivateKey()
    {
        using AsymmetricAlgorithm key = (AsymmetricAlgorithm?)Leaf.GetECDsaPrivateKey() ?? Leaf.GetRSAPrivateKey()!;
        return key.ExportPkcs8PrivateKey();
    }

    /// <summary>Lets go of the key and the certificates; do not use <see cref="Leaf"/> afterwards.</summary>
    public void Dispose()
    {
        Leaf.Dispose();
        foreach (var certificate in _intermediates) certificate.Dispose();
    }

    private static string? FindOrderProblem(CertificateFields leaf, IReadOnlyList<ReadOnlyMemory<byte>> chain)
    {
        var below = leaf;
        for (var position = 1; position < chain.Count; position++)
        {
            if (!SigningCertificate.TryRead(chain[position], out var authority, out var problem)) return $"certificate {position + 1} of the SVID: {problem}";
            if (authority.Problem is { } flaw) return $"certificate {position + 1} of the SVID: {flaw}";
            var hasSigned = below.Issuer.Span.SequenceEqual(authority.Fields.Subject.Span) && authority.HasSigned(below);
            authority.ReleaseKey();
            if (!hasSigned) return $"certificate {position + 1} of the SVID did not sign the one before it; expected the leaf first, then each issuer in turn";
            below = authority.Fields;
        }

        return null;
    }

    private static X509Certificate2 JoinKey(X509Certificate2 certificate, PublicKeyKind kind, ReadOnlySpan<byte> privateKey)
    {
        if (kind is PublicKeyKind.Rsa)
        {
            using var rsa = RSA.Create();
            rsa.ImportPkcs8PrivateKey(privateKey, out var consumed);
            ThrowIfMore(privateKey, consumed);
            return certificate.CopyWithPrivateKey(rsa);
        }

        using var ec = ECDsa.Create();
        ec.ImportPkcs8PrivateKey(privateKey, out var read);
        ThrowIfMore(privateKey, read);
        return certificate.CopyWithPrivateKey(ec);
    }

    private static void ThrowIfMore(ReadOnlySpan<byte> privateKey, int consumed)
    {
        if (consumed != privateKey.Length) throw new CryptographicException();
    }
}
