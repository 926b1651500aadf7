using System.Formats.Asn1;
using System.Net;

namespace Spiffe.Net;

/// <summary>The names of a SAN extension as they are written, in their order; names of rarer kinds are only counted.</summary>
internal sealed record SubjectAlternativeNames(
    IReadOnlyList<string> Uris, IReadOnlyList<string> DnsNames, IReadOnlyList<IPAddress> IpAddresses, int OtherNames)
{
    // RFC 5280 §4.2.1.6: the tags of GeneralName.
    public static readonly Asn1Tag DnsTag = new(TagClass.ContextSpecific, 2);
    public static readonly Asn1Tag UriTag = new(TagClass.ContextSpecific, 6);
    public static readonly Asn1Tag IpTag = new(TagClass.ContextSpecific, 7);

    /// <summary>A Name is a CHOICE, so its tag is explicit.</summary>
    public static readonly Asn1Tag DirectoryTag = new(TagClass.ContextSpecific, 4, isConstructed: true);

    // X509-SVID §2 allows any number of other names; each is compared with every name constraint above it.
    private const int MaxNames = 128;

    public static SubjectAlternativeNames None { get; } = new([], [], [], 0);

    /// <summary>Names of the kind directoryName in DER; they are among <see cref="OtherNames"/> too.</summary>
    public IReadOnlyList<ReadOnlyMemory<byte>> DirectoryNames { get; private init; } = [];

    /// <summary>A bit for each kind of GeneralName that is there, counted by its tag from 0 (otherName) to 8 (registeredID).</summary>
    public int Kinds { get; private init; }

    public int Count => Uris.Count + DnsNames.Count + IpAddresses.Count + OtherNames;

    /// <summary>Throws <see cref="AsnContentException"/> when the bytes are not a GeneralNames sequence.</summary>
    public static SubjectAlternativeNames Read(AsnReader value)
    {
        List<string> uris = [], dnsNames = [];
        List<IPAddress> addresses = [];
        List<ReadOnlyMemory<byte>> directoryNames = [];
        int others = 0, kinds = 0, count = 0;
        var names = value.ReadSequence();
        if (!names.HasData) throw new CertificateProblemException("the certificate has an alternative name extension without a name");
        while (names.HasData)
        {
            if (++count > MaxNames) throw new CertificateProblemException($"the certificate has more than {MaxNames} alternative names");
            var tag = names.PeekTag();
            if (tag.TagClass is not TagClass.ContextSpecific || tag.TagValue > 8) throw new AsnContentException();
            kinds |= 1 << tag.TagValue;
            if (tag == UriTag) uris.Add(names.ReadCharacterString(UniversalTagNumber.IA5String, UriTag));
            else if (tag == DnsTag) dnsNames.Add(names.ReadCharacterString(UniversalTagNumber.IA5String, DnsTag));
            else if (tag == IpTag) addresses.Add(ReadAddress(names.ReadOctetString(IpTag)));
            else if (tag.TagValue is 2 or 6 or 7) throw new AsnContentException();
            else
            {
                others++;
                if (tag.TagValue == DirectoryTag.TagValue) directoryNames.Add(ReadDirectoryName(names));
                else names.ReadEncodedValue();
            }
        }

        return new SubjectAlternativeNames(uris, dnsNames, addresses, others) { DirectoryNames = directoryNames, Kinds = kinds };
    }

    public static ReadOnlyMemory<byte> ReadDirectoryName(AsnReader names)
    {
        var wrapped = names.ReadSequence(DirectoryTag);
        var name = DistinguishedName.Read(wrapped);
        wrapped.ThrowIfNotEmpty();
        return name;
    }

    private static IPAddress ReadAddress(byte[] bytes) =>
        bytes.Length is 4 or 16 ? new IPAddress(bytes) : throw new AsnContentException("an IP address has 4 or 16 bytes");
}
