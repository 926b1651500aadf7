using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Identity.Issuance;

/// <summary>Lets the base library's <see cref="CertificateRequest"/> sign with an <see cref="IAuthorityKey"/>, checked as every other signature of it.</summary>
internal sealed class AuthoritySignatureGenerator(IAuthorityKey key, CheckedSigner signer) : X509SignatureGenerator
{
    public override byte[] GetSignatureAlgorithmIdentifier(HashAlgorithmName hashAlgorithm) => key.Algorithm.AlgorithmIdentifier.ToArray();

    public override byte[] SignData(byte[] data, HashAlgorithmName hashAlgorithm)
    {
        var signature = new byte[key.Algorithm.MaxSignatureLength];
        return signature[..signer.Sign(data, signature, SignatureEncoding.X509)];
    }

    protected override PublicKey BuildPublicKey() => PublicKey.CreateFromSubjectPublicKeyInfo(key.PublicKey.SubjectPublicKeyInfo.Span, out _);
}
