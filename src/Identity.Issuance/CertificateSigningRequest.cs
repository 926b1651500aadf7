using System.Diagnostics.CodeAnalysis;
using System.Formats.Asn1;
using System.Net;
using System.Security.Cryptography;
using Spiffe.Net;

namespace Identity.Issuance;

/// <summary>A PKCS#10 request whose sender has proven to hold the private key. Its names are wishes; only its key goes into a certificate.</summary>
public sealed class CertificateSigningRequest
{
    /// <summary>Bytes; an EC request has about 250, an RSA-8192 one about 2,200.</summary>
    public const int MaxLength = 16 * 1024;

    private const string ExtensionRequestOid = "1.2.840.113549.1.9.14";
    private const int MaxAttributes = 16;

    private readonly SubjectAlternativeNames _names;

    private CertificateSigningRequest(SubjectPublicKey publicKey, SubjectAlternativeNames names)
    {
        PublicKey = publicKey;
        _names = names;
    }

    /// <summary>P-256, P-384 or RSA of 2048 to 8192 bits.</summary>
    public SubjectPublicKey PublicKey { get; }

    /// <summary>As written; not checked to be SPIFFE IDs.</summary>
    public IReadOnlyList<string> UriNames => _names.Uris;

    public IReadOnlyList<string> DnsNames => _names.DnsNames;

    public IReadOnlyList<IPAddress> IpAddresses => _names.IpAddresses;

    public static bool TryParse(
        ReadOnlyMemory<byte> der, [NotNullWhen(true)] out CertificateSigningRequest? request, [NotNullWhen(false)] out string? problem)
    {
        request = null;
        if (der.IsEmpty || der.Length > MaxLength)
        {
            problem = $"the certificate signing request has {der.Length} bytes; expected 1 to {MaxLength}";
            return false;
        }

        try
        {
            var outer = new AsnReader(der, AsnEncodingRules.DER);
            var sequence = outer.ReadSequence();
            outer.ThrowIfNotEmpty();
            var signedPart = sequence.PeekEncodedValue();
            var info = sequence.ReadSequence();
            var algorithm = sequence.ReadSequence().ReadObjectIdentifier();
            var signature = sequence.ReadBitString(out var unusedBits);
            sequence.ThrowIfNotEmpty();

            if (!info.TryReadInt32(out var version) || version != 0)
            {
                problem = "the certificate signing request is not version 1";
                return false;
            }

            // The subject is not used: Istio sends it empty, Envoy with an empty O, and neither may matter.
            info.ReadSequence();
            if (!SubjectPublicKey.TryParse(info.ReadEncodedValue(), out var publicKey, out problem)) return false;
            var names = ReadNames(info);
            problem = FindKeyProblem(publicKey) ?? FindProofProblem(publicKey, algorithm, signedPart.Span, signature, unusedBits);
            request = problem is null ? new CertificateSigningRequest(publicKey, names) : null;
            return request is not null;
        }
        catch (AsnContentException)
        {
            problem = "the certificate signing request is not well-formed DER (PKCS#10)";
            return false;
        }
    }

    private static string? FindKeyProblem(SubjectPublicKey key) =>
        key.Kind is PublicKeyKind.EcP521 ? "the public key is on P-521; expected P-256, P-384 or RSA" : null;

    private static string? FindProofProblem(SubjectPublicKey key, string algorithm, ReadOnlySpan<byte> signedPart, byte[] signature, int unusedBits)
    {
        var isRsa = key.Kind is PublicKeyKind.Rsa;
        HashAlgorithmName? hash = algorithm switch
        {
            "1.2.840.10045.4.3.2" when !isRsa => HashAlgorithmName.SHA256,
            "1.2.840.10045.4.3.3" when !isRsa => HashAlgorithmName.SHA384,
            "1.2.840.10045.4.3.4" when !isRsa => HashAlgorithmName.SHA512,
            "1.2.840.113549.1.1.11" when isRsa => HashAlgorithmName.SHA256,
            "1.2.840.113549.1.1.12" when isRsa => HashAlgorithmName.SHA384,
            "1.2.840.113549.1.1.13" when isRsa => HashAlgorithmName.SHA512,
            _ => null,
        };
        if (hash is null) return $"the signature algorithm {Quoted.From(algorithm)} of the request does not fit its key; expected ECDSA or RSA PKCS#1 with SHA-2";
        var padding = isRsa ? RSASignaturePadding.Pkcs1 : null;
        return unusedBits == 0 && key.Verify(signedPart, signature, hash.Value, padding, DSASignatureFormat.Rfc3279DerSequence)
            ? null
            : "the request is not signed by the key it asks to certify";
    }

    private static SubjectAlternativeNames ReadNames(AsnReader info)
    {
        if (!info.HasData) return SubjectAlternativeNames.None;
        var attributes = info.ReadSetOf(skipSortOrderValidation: true, new Asn1Tag(TagClass.ContextSpecific, 0));
        info.ThrowIfNotEmpty();
        SubjectAlternativeNames? names = null;
        for (var count = 0; attributes.HasData; count++)
        {
            if (count == MaxAttributes) throw new AsnContentException("too many attributes");
            var attribute = attributes.ReadSequence();
            var oid = attribute.ReadObjectIdentifier();
            var values = attribute.ReadSetOf(skipSortOrderValidation: true);
            attribute.ThrowIfNotEmpty();
            if (oid != ExtensionRequestOid) continue;
            var extensions = values.ReadSequence();
            values.ThrowIfNotEmpty();
            while (extensions.HasData)
            {
                var extension = extensions.ReadSequence();
                var isAlternativeName = extension.ReadObjectIdentifier() == CertificateOids.SubjectAlternativeName;
                if (extension.PeekTag() == Asn1Tag.Boolean) extension.ReadBoolean();
                var value = extension.ReadOctetString();
                extension.ThrowIfNotEmpty();
                if (!isAlternativeName) continue;
                if (names is not null) throw new AsnContentException("two alternative name extensions");
                var reader = new AsnReader(value, AsnEncodingRules.DER);
                names = SubjectAlternativeNames.Read(reader);
                reader.ThrowIfNotEmpty();
            }
        }

        return names ?? SubjectAlternativeNames.None;
    }
}
