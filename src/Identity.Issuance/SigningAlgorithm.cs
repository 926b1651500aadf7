using System.Security.Cryptography;
using Spiffe.Net;

namespace Identity.Issuance;

/// <summary>The algorithms an authority may sign with; each is bound to one kind of key and one hash.</summary>
public sealed class SigningAlgorithm
{
    private SigningAlgorithm(string jwsName, string oid, PublicKeyKind keyKind, HashAlgorithmName hash, int maxSignatureLength, byte[] identifier)
    {
        JwsName = jwsName;
        Oid = oid;
        KeyKind = keyKind;
        Hash = hash;
        MaxSignatureLength = maxSignatureLength;
        AlgorithmIdentifier = identifier;
    }

    // The identifiers are RFC 5758 §3.2 (no parameters) and RFC 4055 §5 (NULL parameters), as DER.
    public static SigningAlgorithm Es256 { get; } = new(
        "ES256", "1.2.840.10045.4.3.2", PublicKeyKind.EcP256, HashAlgorithmName.SHA256, 72, Convert.FromHexString("300A06082A8648CE3D040302"));

    public static SigningAlgorithm Es384 { get; } = new(
        "ES384", "1.2.840.10045.4.3.3", PublicKeyKind.EcP384, HashAlgorithmName.SHA384, 104, Convert.FromHexString("300A06082A8648CE3D040303"));

    public static SigningAlgorithm Rs256 { get; } = new(
        "RS256", "1.2.840.113549.1.1.11", PublicKeyKind.Rsa, HashAlgorithmName.SHA256, 1024, Convert.FromHexString("300D06092A864886F70D01010B0500"));

    /// <summary>As in a token's <c>alg</c>.</summary>
    public string JwsName { get; }

    /// <summary>As in a certificate.</summary>
    public string Oid { get; }

    public PublicKeyKind KeyKind { get; }

    public HashAlgorithmName Hash { get; }

    /// <summary>Bytes, for either encoding of the signature.</summary>
    public int MaxSignatureLength { get; }

    /// <summary>DER AlgorithmIdentifier.</summary>
    public ReadOnlyMemory<byte> AlgorithmIdentifier { get; }

    public override string ToString() => JwsName;

    internal bool Verify(SubjectPublicKey key, ReadOnlySpan<byte> data, ReadOnlySpan<byte> signature, SignatureEncoding encoding) =>
        key.Kind == KeyKind
        && key.Verify(data, signature, Hash, KeyKind is PublicKeyKind.Rsa ? RSASignaturePadding.Pkcs1 : null, encoding.ToDsaFormat());
}
