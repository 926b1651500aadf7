using System.Security.Cryptography;

namespace Spiffe.Net;

/// <summary>A signature algorithm that JWT-SVID §2.1 allows, tied to the one kind of key it may be used with.</summary>
internal sealed record JwsAlgorithm(string Name, PublicKeyKind Kind, HashAlgorithmName Hash, RSASignaturePadding? RsaPadding)
{
    private static readonly JwsAlgorithm[] Allowed =
    [
        new("ES256", PublicKeyKind.EcP256, HashAlgorithmName.SHA256, null),
        new("ES384", PublicKeyKind.EcP384, HashAlgorithmName.SHA384, null),
        new("ES512", PublicKeyKind.EcP521, HashAlgorithmName.SHA512, null),
        new("RS256", PublicKeyKind.Rsa, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1),
        new("RS384", PublicKeyKind.Rsa, HashAlgorithmName.SHA384, RSASignaturePadding.Pkcs1),
        new("RS512", PublicKeyKind.Rsa, HashAlgorithmName.SHA512, RSASignaturePadding.Pkcs1),
        new("PS256", PublicKeyKind.Rsa, HashAlgorithmName.SHA256, RSASignaturePadding.Pss),
        new("PS384", PublicKeyKind.Rsa, HashAlgorithmName.SHA384, RSASignaturePadding.Pss),
        new("PS512", PublicKeyKind.Rsa, HashAlgorithmName.SHA512, RSASignaturePadding.Pss),
    ];

    /// <summary>Null for every other name, <c>none</c> and the HMACs among them.</summary>
    public static JwsAlgorithm? Find(string? name) => Array.Find(Allowed, algorithm => algorithm.Name == name);

    /// <summary>The first that may be used with such a key; null when none may.</summary>
    public static JwsAlgorithm? For(PublicKeyKind kind) => Array.Find(Allowed, algorithm => algorithm.Kind == kind);

    /// <summary>The names <see cref="Find"/> knows, for error messages.</summary>
    public const string Names = "ES256, ES384, ES512, RS256, RS384, RS512, PS256, PS384, PS512";

    /// <param name="key">Of <see cref="Kind"/>, with its private half.</param>
    public byte[] Sign(AsymmetricAlgorithm key, byte[] data) => key switch
    {
        ECDsa ec when RsaPadding is null => ec.SignData(data, Hash, DSASignatureFormat.IeeeP1363FixedFieldConcatenation),
        RSA rsa when RsaPadding is not null => rsa.SignData(data, Hash, RsaPadding),
        _ => throw new CryptographicException($"a key of {key.GetType().Name} does not sign {Name}"),
    };

    /// <summary>False for a key of another kind, whatever the signature (RFC 8725 §3.1), for a wrong signature and for one of a wrong length.</summary>
    public bool Verify(SubjectPublicKey key, ReadOnlySpan<byte> data, ReadOnlySpan<byte> signature) =>
        key.Kind == Kind && key.Verify(data, signature, Hash, RsaPadding, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
}
