using System.Security.Cryptography;

namespace Identity.Issuance;

/// <summary>How the two numbers of an ECDSA signature are written; RSA signatures have one form.</summary>
public enum SignatureEncoding
{
    /// <summary>DER, as in certificates.</summary>
    X509,

    /// <summary>Both numbers in fixed width, as in JWS (RFC 7518 §3.4).</summary>
    Jws,
}

internal static class SignatureEncodingExtensions
{
    public static DSASignatureFormat ToDsaFormat(this SignatureEncoding encoding) => encoding is SignatureEncoding.X509
        ? DSASignatureFormat.Rfc3279DerSequence
        : DSASignatureFormat.IeeeP1363FixedFieldConcatenation;
}
