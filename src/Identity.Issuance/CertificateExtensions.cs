using System.Formats.Asn1;
using Spiffe.Net;

namespace Identity.Issuance;

/// <summary>Extension values as RFC 5280 §4.2 encodes them.</summary>
internal static class CertificateExtensions
{
    // Values that are the same in every SVID.
    public static ReadOnlySpan<byte> NoAuthority => [0x30, 0x00];

    /// <summary>BIT STRING with bit 0, digitalSignature, alone.</summary>
    public static ReadOnlySpan<byte> DigitalSignature => [0x03, 0x02, 0x07, 0x80];

    /// <summary>serverAuth and clientAuth: an SVID holder is both (X509-SVID §4.4).</summary>
    public static ReadOnlySpan<byte> ServerAndClient =>
    [
        0x30, 0x14,
        0x06, 0x08, 0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01,
        0x06, 0x08, 0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02,
    ];

    /// <summary>One Extension.</summary>
    public static byte[] Encode(string oid, bool critical, ReadOnlySpan<byte> value)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            writer.WriteObjectIdentifier(oid);
            if (critical) writer.WriteBoolean(true);
            writer.WriteOctetString(value);
        }

        return writer.Encode();
    }

    /// <summary>GeneralNames with one URI.</summary>
    public static byte[] EncodeAlternativeName(SpiffeId id)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence()) writer.WriteCharacterString(UniversalTagNumber.IA5String, id.ToString(), SubjectAlternativeNames.UriTag);
        return writer.Encode();
    }

    /// <summary>The value that names the issuer's key: [0] keyIdentifier alone.</summary>
    public static byte[] EncodeAuthorityKeyIdentifier(ReadOnlySpan<byte> keyIdentifier)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence()) writer.WriteOctetString(keyIdentifier, new Asn1Tag(TagClass.ContextSpecific, 0));
        return writer.Encode();
    }
}
