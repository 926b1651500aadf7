using System.Formats.Asn1;
using Spiffe.Net;

namespace Identity.Issuance;

/// <summary>
/// Writes the TBSCertificate of an X509-SVID and, once it is signed, the certificate. <c>CertificateRequest.Create</c> costs ten signatures'
/// worth of time, this a hundredth of one; a test holds the two to the same bytes.
/// </summary>
internal sealed class X509SvidWriter
{
    // SEQUENCE in [0]: version 3.
    private static ReadOnlySpan<byte> Version => [0xA0, 0x03, 0x02, 0x01, 0x02];

    // The subject is empty: the SPIFFE ID is the only name, so its extension is critical (RFC 5280 §4.1.2.6).
    private static ReadOnlySpan<byte> EmptySubject => [0x30, 0x00];

    // extnID subjectKeyIdentifier; extnID subjectAltName with critical TRUE.
    private static ReadOnlySpan<byte> SubjectKeyIdentifierHead => [0x06, 0x03, 0x55, 0x1D, 0x0E];

    private static ReadOnlySpan<byte> AlternativeNamesHead => [0x06, 0x03, 0x55, 0x1D, 0x11, 0x01, 0x01, 0xFF];

    private const byte ExtensionsTag = 0xA3;
    private const byte UriTag = 0x86;
    private const byte DnsTag = 0x82;
    private const byte IpTag = 0x87;

    // Bytes: more than all headers, numbers, times and fixed extensions take together.
    private const int Overhead = 384;
    private const int NameOverhead = 4;
    private const int StackBytes = 1536;

    private readonly ReadOnlyMemory<byte> _signatureAlgorithm;
    private readonly ReadOnlyMemory<byte> _issuer;
    private readonly byte[] _usageExtensions;
    private readonly byte[] _authorityKeyExtension;

    public X509SvidWriter(X509Authority authority)
    {
        _signatureAlgorithm = authority.Key.Algorithm.AlgorithmIdentifier;
        _issuer = authority.SubjectName;
        _usageExtensions =
        [
            .. CertificateExtensions.Encode(CertificateOids.BasicConstraints, critical: true, CertificateExtensions.NoAuthority),
            .. CertificateExtensions.Encode(CertificateOids.KeyUsage, critical: true, CertificateExtensions.DigitalSignature),
            .. CertificateExtensions.Encode(CertificateOids.ExtendedKeyUsage, critical: false, CertificateExtensions.ServerAndClient),
        ];
        _authorityKeyExtension = CertificateExtensions.Encode(
            CertificateOids.AuthorityKeyIdentifier, critical: false, CertificateExtensions.EncodeAuthorityKeyIdentifier(authority.KeyIdentifier.Span));
    }

    /// <summary>The TBSCertificate (RFC 5280 §4.1).</summary>
    public byte[] Write(X509SvidContent content)
    {
        var request = content.Request;
        var bound = Overhead + _issuer.Length + _authorityKeyExtension.Length + request.PublicKey.SubjectPublicKeyInfo.Length + BoundNames(request);
        var der = new DerWriter(bound <= StackBytes ? stackalloc byte[StackBytes] : new byte[bound]);
        var end = der.Mark;
        WriteAlternativeNames(ref der, request);
        der.Write(_authorityKeyExtension);
        WriteSubjectKeyIdentifier(ref der, content.SubjectKeyIdentifier.Span);
        der.Write(_usageExtensions);
        der.Wrap(DerWriter.Sequence, end);
        der.Wrap(ExtensionsTag, end);
        der.Write(request.PublicKey.SubjectPublicKeyInfo.Span);
        der.Write(EmptySubject);
        var validity = der.Mark;
        der.WriteTime(content.NotAfter);
        der.WriteTime(content.NotBefore);
        der.Wrap(DerWriter.Sequence, validity);
        der.Write(_issuer.Span);
        der.Write(_signatureAlgorithm.Span);
        der.WriteUnsigned(content.SerialNumber.Span);
        der.Write(Version);
        der.Wrap(DerWriter.Sequence, end);
        return der.Written.ToArray();
    }

    /// <summary>The Certificate around a TBSCertificate and its signature.</summary>
    public byte[] Seal(ReadOnlySpan<byte> signedPart, ReadOnlySpan<byte> signature)
    {
        var bound = signedPart.Length + signature.Length + _signatureAlgorithm.Length + 16;
        var der = new DerWriter(bound <= StackBytes ? stackalloc byte[StackBytes] : new byte[bound]);
        var end = der.Mark;
        der.Write(signature);
        der.Write(0); // no unused bits
        der.Wrap(DerWriter.BitString, end);
        der.Write(_signatureAlgorithm.Span);
        der.Write(signedPart);
        der.Wrap(DerWriter.Sequence, end);
        return der.Written.ToArray();
    }

    private static void WriteSubjectKeyIdentifier(ref DerWriter der, ReadOnlySpan<byte> keyIdentifier)
    {
        var end = der.Mark;
        der.WriteValue(DerWriter.OctetString, keyIdentifier);
        der.Wrap(DerWriter.OctetString, end);
        der.Write(SubjectKeyIdentifierHead);
        der.Wrap(DerWriter.Sequence, end);
    }

    private static void WriteAlternativeNames(ref DerWriter der, X509SvidRequest request)
    {
        var end = der.Mark;
        for (var i = request.IpAddresses.Count - 1; i >= 0; i--) der.WriteAddress(IpTag, request.IpAddresses[i]);
        for (var i = request.DnsNames.Count - 1; i >= 0; i--) der.WriteAscii(DnsTag, request.DnsNames[i]);

        // Written as text: System.Uri would change case and escapes of what was authorized.
        der.WriteAscii(UriTag, request.Id.ToString());
        der.Wrap(DerWriter.Sequence, end);
        der.Wrap(DerWriter.OctetString, end);
        der.Write(AlternativeNamesHead);
        der.Wrap(DerWriter.Sequence, end);
    }

    private static int BoundNames(X509SvidRequest request)
    {
        var bound = request.Id.ToString().Length + ((16 + NameOverhead) * request.IpAddresses.Count);
        for (var i = 0; i < request.DnsNames.Count; i++) bound += request.DnsNames[i].Length + NameOverhead;
        return bound;
    }
}
