using System.Security.Cryptography;

namespace Spiffe.Net;

/// <summary>
/// How a certificate may be signed: ECDSA or RSA (PKCS#1 v1.5 or PSS) with SHA-256, SHA-384 or SHA-512. The AlgorithmIdentifiers are compared whole,
/// parameters included; SHA-1, MD5 and DSA are not among them.
/// </summary>
internal sealed class CertificateSignatureAlgorithm
{
    // RFC 5758 §3.2: no parameters. RFC 4055 §5: NULL parameters, but absent ones must be understood. RFC 4055 §3.1, PSS: one hash for both
    // purposes, itself with NULL or without parameters, a salt as long as the hash, the default trailer left out.
    private static readonly CertificateSignatureAlgorithm[] All =
    [
        new("300A06082A8648CE3D040302", HashAlgorithmName.SHA256, null),
        new("300A06082A8648CE3D040303", HashAlgorithmName.SHA384, null),
        new("300A06082A8648CE3D040304", HashAlgorithmName.SHA512, null),
        new("300D06092A864886F70D01010B0500", HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1),
        new("300D06092A864886F70D01010C0500", HashAlgorithmName.SHA384, RSASignaturePadding.Pkcs1),
        new("300D06092A864886F70D01010D0500", HashAlgorithmName.SHA512, RSASignaturePadding.Pkcs1),
        new("300B06092A864886F70D01010B", HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1),
        new("300B06092A864886F70D01010C", HashAlgorithmName.SHA384, RSASignaturePadding.Pkcs1),
        new("300B06092A864886F70D01010D", HashAlgorithmName.SHA512, RSASignaturePadding.Pkcs1),
        new(Pss(hash: 1, saltLength: 32, hasNull: false), HashAlgorithmName.SHA256, RSASignaturePadding.Pss),
        new(Pss(hash: 1, saltLength: 32, hasNull: true), HashAlgorithmName.SHA256, RSASignaturePadding.Pss),
        new(Pss(hash: 2, saltLength: 48, hasNull: false), HashAlgorithmName.SHA384, RSASignaturePadding.Pss),
        new(Pss(hash: 2, saltLength: 48, hasNull: true), HashAlgorithmName.SHA384, RSASignaturePadding.Pss),
        new(Pss(hash: 3, saltLength: 64, hasNull: false), HashAlgorithmName.SHA512, RSASignaturePadding.Pss),
        new(Pss(hash: 3, saltLength: 64, hasNull: true), HashAlgorithmName.SHA512, RSASignaturePadding.Pss),
    ];

    private readonly byte[] _identifier;
    private readonly HashAlgorithmName _hash;
    private readonly RSASignaturePadding? _padding;

    private CertificateSignatureAlgorithm(string identifier, HashAlgorithmName hash, RSASignaturePadding? padding)
    {
        _identifier = Convert.FromHexString(identifier);
        _hash = hash;
        _padding = padding;
    }

    /// <param name="identifier">A DER AlgorithmIdentifier.</param>
    /// <returns>Null when it is not allowed.</returns>
    public static CertificateSignatureAlgorithm? Find(ReadOnlySpan<byte> identifier)
    {
        foreach (var algorithm in All)
        {
            if (identifier.SequenceEqual(algorithm._identifier)) return algorithm;
        }

        return null;
    }

    /// <summary>False for a wrong signature, one that is not well formed, and a key of another kind.</summary>
    public bool Verify(SubjectPublicKey key, ReadOnlySpan<byte> data, ReadOnlySpan<byte> signature) =>
        (key.Kind is PublicKeyKind.Rsa) == (_padding is not null)
        && key.Verify(data, signature, _hash, _padding, DSASignatureFormat.Rfc3279DerSequence);

    private static string Pss(int hash, int saltLength, bool hasNull)
    {
        var name = $"060960864801650304020{hash}";
        return hasNull
            ? $"304106092A864886F70D01010A3034A00F300D{name}0500A11C301A06092A864886F70D010108300D{name}0500A2030201{saltLength:X2}"
            : $"303D06092A864886F70D01010A3030A00D300B{name}A11A301806092A864886F70D010108300B{name}A2030201{saltLength:X2}";
    }
}
