using System.Diagnostics.CodeAnalysis;
using System.Formats.Asn1;
using System.Net;
using Spiffe.Net;

namespace Identity.Issuance;

/// <summary>A PKCS#10 request whose sender has proven to hold the private key. Its key goes into a certificate; its names are wishes, which an issuer may grant.</summary>
public sealed class CertificateSigningRequest
{
    /// <summary>Bytes; an EC request has about 250, an RSA-8192 one about 2,200.</summary>
    public const int MaxLength = 16 * 1024;

    private const string ExtensionRequestOid = "1.2.840.113549.1.9.14";
    private const int MaxAttributes = 16;
    private const int MaxExtensions = 32;

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

    /// <summary>
    /// Reads a request and checks that its own key signed it. The problem names what is wrong, never what was sent; the whole request is bounded,
    /// and DER to the last byte, before a signature is verified.
    /// </summary>
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
            StrictDer.Check(der.Span);
            var outer = new AsnReader(der, AsnEncodingRules.DER);
            var sequence = outer.ReadSequence();
            outer.ThrowIfNotEmpty();
            var signedPart = sequence.PeekEncodedValue();
            var info = sequence.ReadSequence();
            var algorithm = sequence.ReadSequence();
            if (!sequence.TryReadPrimitiveBitString(out var unusedBits, out var signature) || unusedBits != 0)
            {
                problem = "the signature of the request is not a whole number of bytes";
                return false;
            }

            sequence.ThrowIfNotEmpty();

            if (!info.TryReadInt32(out var version) || version != 0)
            {
                problem = "the certificate signing request is not version 1";
                return false;
            }

            // The subject is not used: Istio sends it empty, Envoy with an empty O, and neither may matter.
            info.ReadSequence();
            var subjectPublicKeyInfo = info.ReadEncodedValue();
            var names = ReadNames(info);

            // Last, because it costs the most: whoever sends nonsense gets no signature verified.
            problem = ProofOfPossession.FindProblem(subjectPublicKeyInfo, algorithm, signedPart.Span, signature.Span, out var publicKey);
            request = problem is null ? new CertificateSigningRequest(publicKey!, names) : null;
            return request is not null;
        }
        catch (AsnContentException)
        {
            problem = "the certificate signing request is not well-formed DER (PKCS#10)";
            return false;
        }
        catch (CertificateProblemException flaw)
        {
            problem = $"the certificate signing request: {flaw.Message}";
            return false;
        }
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
            for (var number = 0; extensions.HasData; number++)
            {
                if (number == MaxExtensions) throw new AsnContentException("too many extensions");
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
