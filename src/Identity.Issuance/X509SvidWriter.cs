using System.Formats.Asn1;
using System.Security.Cryptography;
using Spiffe.Net;

namespace Identity.Issuance;

/// <summary>
/// Writes the TBSCertificate of an X509-SVID. <c>CertificateRequest.Create</c> costs ten signatures' worth of time, this a tenth of one;
/// a test holds the two to the same bytes.
/// </summary>
internal sealed class X509SvidWriter
{
    private static readonly Asn1Tag VersionTag = new(TagClass.ContextSpecific, 0);
    private static readonly Asn1Tag ExtensionsTag = new(TagClass.ContextSpecific, 3);

    // RFC 5280 §4.1.2.5: UTCTime through 2049, GeneralizedTime from 2050 on.
    private static readonly DateTimeOffset FirstGeneralizedTime = new(2050, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private readonly ReadOnlyMemory<byte> _signatureAlgorithm;
    private readonly ReadOnlyMemory<byte> _issuer;
    private readonly byte[] _usageExtensions;
    private readonly byte[] _authorityKeyExtension;

    public X509SvidWriter(X509Authority authority)
    {
        _signatureAlgorithm = authority.Key.Algorithm.AlgorithmIdentifier;
        _issuer = authority.SubjectName;
        _usageExtensions = Encode(writer =>
        {
            CertificateExtensions.Write(writer, CertificateOids.BasicConstraints, critical: true, CertificateExtensions.NoAuthority);
            CertificateExtensions.Write(writer, CertificateOids.KeyUsage, critical: true, CertificateExtensions.DigitalSignature);
            CertificateExtensions.Write(writer, CertificateOids.ExtendedKeyUsage, critical: false, CertificateExtensions.ServerAndClient);
        });
        var keyIdentifier = CertificateExtensions.EncodeAuthorityKeyIdentifier(authority.KeyIdentifier.Span);
        _authorityKeyExtension = Encode(writer =>
            CertificateExtensions.Write(writer, CertificateOids.AuthorityKeyIdentifier, critical: false, keyIdentifier));
    }

    public byte[] Write(X509SvidRequest request, ReadOnlySpan<byte> serialNumber, DateTimeOffset notBefore, DateTimeOffset notAfter)
    {
        Span<byte> keyHash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(request.PublicKey.Bits.Span, keyHash);

        var writer = new AsnWriter(AsnEncodingRules.DER, initialCapacity: 1024);
        using (writer.PushSequence())
        {
            using (writer.PushSequence(VersionTag)) writer.WriteInteger(2);
            writer.WriteInteger(serialNumber);
            writer.WriteEncodedValue(_signatureAlgorithm.Span);
            writer.WriteEncodedValue(_issuer.Span);
            using (writer.PushSequence())
            {
                WriteTime(writer, notBefore);
                WriteTime(writer, notAfter);
            }

            using (writer.PushSequence())
            {
                // The subject is empty: the SPIFFE ID is the only name, so its extension is critical (RFC 5280 §4.1.2.6).
            }

            writer.WriteEncodedValue(request.PublicKey.SubjectPublicKeyInfo.Span);
            using (writer.PushSequence(ExtensionsTag))
            using (writer.PushSequence())
            {
                WriteEach(writer, _usageExtensions);
                WriteSubjectKeyIdentifier(writer, keyHash[..20]);
                writer.WriteEncodedValue(_authorityKeyExtension);
                WriteAlternativeNames(writer, request);
            }
        }

        return writer.Encode();
    }

    private static void WriteTime(AsnWriter writer, DateTimeOffset time)
    {
        if (time < FirstGeneralizedTime) writer.WriteUtcTime(time);
        else writer.WriteGeneralizedTime(time, omitFractionalSeconds: true);
    }

    private static void WriteSubjectKeyIdentifier(AsnWriter writer, ReadOnlySpan<byte> keyIdentifier)
    {
        using (writer.PushSequence())
        {
            writer.WriteObjectIdentifier(CertificateOids.SubjectKeyIdentifier);
            using (writer.PushOctetString()) writer.WriteOctetString(keyIdentifier);
        }
    }

    private static void WriteAlternativeNames(AsnWriter writer, X509SvidRequest request)
    {
        using (writer.PushSequence())
        {
            writer.WriteObjectIdentifier(CertificateOids.SubjectAlternativeName);
            writer.WriteBoolean(true);
            using (writer.PushOctetString())
                CertificateExtensions.WriteAlternativeNames(writer, request.Id, request.DnsNames, request.IpAddresses);
        }
    }

    private static void WriteEach(AsnWriter writer, ReadOnlySpan<byte> values)
    {
        while (!values.IsEmpty)
        {
            AsnDecoder.ReadEncodedValue(values, AsnEncodingRules.DER, out _, out _, out var length);
            writer.WriteEncodedValue(values[..length]);
            values = values[length..];
        }
    }

    private static byte[] Encode(Action<AsnWriter> write)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        write(writer);
        return writer.Encode();
    }
}
