using System.Formats.Asn1;
using System.Net;

namespace Spiffe.Net;

/// <summary>The names of a SAN extension as they are written, in their order; names of other kinds are only counted.</summary>
internal sealed record SubjectAlternativeNames(
    IReadOnlyList<string> Uris, IReadOnlyList<string> DnsNames, IReadOnlyList<IPAddress> IpAddresses, int OtherNames)
{
    // RFC 5280 §4.2.1.6: the tags of GeneralName.
    public static readonly Asn1Tag DnsTag = new(TagClass.ContextSpecific, 2);
    public static readonly Asn1Tag UriTag = new(TagClass.ContextSpecific, 6);
    public static readonly Asn1Tag IpTag = new(TagClass.ContextSpecific, 7);

    public static SubjectAlternativeNames None { get; } = new([], [], [], 0);

    /// <summary>Throws <see cref="AsnContentException"/> when the bytes are not a GeneralNames sequence.</summary>
    public static SubjectAlternativeNames Read(AsnReader value)
    {
        List<string> uris = [], dnsNames = [];
        List<IPAddress> addresses = [];
        var others = 0;
        var names = value.ReadSequence();
        while (names.HasData)
        {
            var tag = names.PeekTag();
            if (tag == UriTag) uris.Add(names.ReadCharacterString(UniversalTagNumber.IA5String, UriTag));
            else if (tag == DnsTag) dnsNames.Add(names.ReadCharacterString(UniversalTagNumber.IA5String, DnsTag));
            else if (tag == IpTag) addresses.Add(ReadAddress(names.ReadOctetString(IpTag)));
            else
            {
                names.ReadEncodedValue();
                others++;
            }
        }

        return new SubjectAlternativeNames(uris, dnsNames, addresses, others);
    }

    private static IPAddress ReadAddress(byte[] bytes) =>
        bytes.Length is 4 or 16 ? new IPAddress(bytes) : throw new AsnContentException("an IP address has 4 or 16 bytes");
}
