using System.Formats.Asn1;
using System.Net;
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

    public static void Write(AsnWriter writer, string oid, bool critical, ReadOnlySpan<byte> value)
    {
        using (writer.PushSequence())
        {
            writer.WriteObjectIdentifier(oid);
            if (critical) writer.WriteBoolean(true);
            writer.WriteOctetString(value);
        }
    }

    public static void WriteAlternativeNames(AsnWriter writer, SpiffeId id, IReadOnlyList<string> dnsNames, IReadOnlyList<IPAddress> addresses)
    {
        using (writer.PushSequence())
        {
            // Written as text: System.Uri would change case and escapes of what was authorized.
            writer.WriteCharacterString(UniversalTagNumber.IA5String, id.ToString(), SubjectAlternativeNames.UriTag);
            foreach (var name in dnsNames) writer.WriteCharacterString(UniversalTagNumber.IA5String, name, SubjectAlternativeNames.DnsTag);
            foreach (var address in addresses) writer.WriteOctetString(address.GetAddressBytes(), SubjectAlternativeNames.IpTag);
        }
    }

    public static byte[] EncodeAlternativeNames(SpiffeId id, IReadOnlyList<string> dnsNames, IReadOnlyList<IPAddress> addresses)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        WriteAlternativeNames(writer, id, dnsNames, addresses);
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
