using System.Formats.Asn1;
using System.Security.Cryptography;
using Spiffe.Net;

namespace Identity.Issuance;

/// <summary>Whether a signed request was signed by the very key it carries (RFC 2986 §4.2).</summary>
internal static class ProofOfPossession
{
    private const string EcdsaWithSha256 = "1.2.840.10045.4.3.2";
    private const string NotSigned = "the request is not signed by the key it asks to certify";

    /// <param name="subjectPublicKeyInfo">Not trusted: kind, size and, for EC, that the point lies on its curve are checked here.</param>
    /// <param name="key">Fit to be certified when there is no problem.</param>
    public static string? FindProblem(
        ReadOnlyMemory<byte> subjectPublicKeyInfo, AsnReader algorithm, ReadOnlySpan<byte> signedPart, ReadOnlySpan<byte> signature, out SubjectPublicKey? key)
    {
        // A copy, so that nobody can change the key after it was checked by writing to the buffer it came in.
        if (!SubjectPublicKey.TryReadWithoutImport(subjectPublicKeyInfo.ToArray(), out key, out var problem)) return problem;
        if (key.Kind is PublicKeyKind.EcP521) return "the public key is on P-521; expected P-256, P-384 or RSA";
        var oid = algorithm.ReadObjectIdentifier();
        var isRsa = key.Kind is PublicKeyKind.Rsa;
        if (FindHash(oid, isRsa) is not { } hash)
            return $"the signature algorithm {Quoted.From(oid)} of the request does not fit its key; expected ECDSA or RSA PKCS#1 with SHA-2";

        // RFC 5758 §3.2: ECDSA has no parameters. RFC 4055 §5: RSA has NULL, and nothing is to be accepted too.
        if (isRsa && algorithm.HasData) algorithm.ReadNull();
        algorithm.ThrowIfNotEmpty();

        if (key.Verify(signedPart, signature, hash, isRsa ? RSASignaturePadding.Pkcs1 : null, DSASignatureFormat.Rfc3279DerSequence)) return null;
        // Only a refusal is worth the import that tells a wrong signature from numbers that form no key.
        return SubjectPublicKey.TryParse(key.SubjectPublicKeyInfo, out _, out problem) ? NotSigned : problem;
    }

    private static HashAlgorithmName? FindHash(string oid, bool isRsa) => oid switch
    {
        EcdsaWithSha256 when !isRsa => HashAlgorithmName.SHA256,
        "1.2.840.10045.4.3.3" when !isRsa => HashAlgorithmName.SHA384,
        "1.2.840.10045.4.3.4" when !isRsa => HashAlgorithmName.SHA512,
        "1.2.840.113549.1.1.11" when isRsa => HashAlgorithmName.SHA256,
        "1.2.840.113549.1.1.12" when isRsa => HashAlgorithmName.SHA384,
        "1.2.840.113549.1.1.13" when isRsa => HashAlgorithmName.SHA512,
        _ => null,
    };
}
