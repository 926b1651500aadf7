using System.Formats.Asn1;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Identity.Conformance.Tests;

/// <summary>A certificate to be signed by an <see cref="Authority"/>; as it stands a good X509-SVID leaf. Written with the base library, not with our issuer.</summary>
internal sealed record LeafVector
{
    public const string ServerAuth = "1.3.6.1.5.5.7.3.1";
    public const string ClientAuth = "1.3.6.1.5.5.7.3.2";

    public static readonly DateTimeOffset Now = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    public string[] Uris { get; init; } = ["spiffe://td/x"];

    public string[] DnsNames { get; init; } = [];

    public string[] Addresses { get; init; } = [];

    public bool CriticalNames { get; init; } = true;

    public string Subject { get; init; } = "";

    public bool IsAuthority { get; init; }

    public X509KeyUsageFlags? KeyUsage { get; init; } = X509KeyUsageFlags.DigitalSignature;

    public bool CriticalKeyUsage { get; init; } = true;

    public string[] Purposes { get; init; } = [ServerAuth, ClientAuth];

    public bool CriticalPurposes { get; init; }

    public int? PathLength { get; init; }

    public X509Extension? Also { get; init; }

    public DateTimeOffset NotBefore { get; init; } = Now.AddMinutes(-1);

    public DateTimeOffset NotAfter { get; init; } = Now.AddHours(1);

    public static LeafVector SigningCertificate(string name) => new()
    {
        Subject = $"CN={name}",
        Uris = ["spiffe://td"],
        CriticalNames = false,
        IsAuthority = true,
        KeyUsage = X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign,
        Purposes = [],
    };

    public CertificateRequest ToRequest(ECDsa key)
    {
        var name = Subject.Length == 0 ? new X500DistinguishedName([0x30, 0x00]) : new X500DistinguishedName(Subject);
        var request = new CertificateRequest(name, key, HashAlgorithmName.SHA256);
        var extensions = request.CertificateExtensions;
        extensions.Add(new X509BasicConstraintsExtension(IsAuthority, PathLength is not null, PathLength ?? 0, critical: true));
        if (KeyUsage is { } usage) extensions.Add(new X509KeyUsageExtension(usage, CriticalKeyUsage));
        if (Purposes.Length > 0)
        {
            var purposes = new OidCollection();
            foreach (var purpose in Purposes) purposes.Add(new Oid(purpose));
            extensions.Add(new X509EnhancedKeyUsageExtension(purposes, CriticalPurposes));
        }

        if (Uris.Length + DnsNames.Length + Addresses.Length > 0) extensions.Add(new X509Extension("2.5.29.17", EncodeNames(), CriticalNames));
        if (IsAuthority) extensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        if (Also is not null) extensions.Add(Also);
        return request;
    }

    // RFC 5280 §4.2.1.6. Not SubjectAlternativeNameBuilder: it takes a Uri, which repairs what a vector is about.
    private byte[] EncodeNames()
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            foreach (var uri in Uris) writer.WriteCharacterString(UniversalTagNumber.IA5String, uri, new Asn1Tag(TagClass.ContextSpecific, 6));
            foreach (var name in DnsNames) writer.WriteCharacterString(UniversalTagNumber.IA5String, name, new Asn1Tag(TagClass.ContextSpecific, 2));
            foreach (var address in Addresses) writer.WriteOctetString(IPAddress.Parse(address).GetAddressBytes(), new Asn1Tag(TagClass.ContextSpecific, 7));
        }

        return writer.Encode();
    }
}
