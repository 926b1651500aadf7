using System.Formats.Asn1;
using System.Text;

namespace Identity.Issuance;

/// <summary>
/// Reads back what is about to be signed: it must be an SVID of our profile and say what was decided, no more and no less. Every byte is
/// accounted for, and nothing of the writer is used; a test holds it to what the verifier of other people's certificates says.
/// </summary>
internal static class X509SvidLint
{
    private static ReadOnlySpan<byte> Critical => [0x01, 0x01, 0xFF];

    // extnID of the six extensions, as DER: id-ce is 2.5.29.
    private static ReadOnlySpan<byte> BasicConstraints => [0x06, 0x03, 0x55, 0x1D, 0x13];

    private static ReadOnlySpan<byte> KeyUsage => [0x06, 0x03, 0x55, 0x1D, 0x0F];

    private static ReadOnlySpan<byte> ExtendedKeyUsage => [0x06, 0x03, 0x55, 0x1D, 0x25];

    private static ReadOnlySpan<byte> SubjectKeyIdentifier => [0x06, 0x03, 0x55, 0x1D, 0x0E];

    private static ReadOnlySpan<byte> AuthorityKeyIdentifier => [0x06, 0x03, 0x55, 0x1D, 0x23];

    private static ReadOnlySpan<byte> AlternativeName => [0x06, 0x03, 0x55, 0x1D, 0x11];

    public static string? FindProblem(ReadOnlySpan<byte> signedPart, X509SvidContent decided, X509Authority authority)
    {
        var outer = new DerCursor(signedPart);
        if (!outer.TryRead(0x30, out var inner) || !outer.IsAtEnd) return "the draft is not one DER sequence";
        var tbs = new DerCursor(inner);
        if (!tbs.TrySkip([0xA0, 0x03, 0x02, 0x01, 0x02])) return "the draft is not version 3";
        return FindSerialProblem(ref tbs, decided.SerialNumber.Span)
            ?? (tbs.TrySkip(authority.Key.Algorithm.AlgorithmIdentifier.Span) ? null : "the draft names another signature algorithm")
            ?? (tbs.TrySkip(authority.SubjectName.Span) ? null : "the draft names another issuer")
            ?? FindLifetimeProblem(ref tbs, decided, authority)
            ?? (tbs.TrySkip([0x30, 0x00]) ? null : "the draft has a subject")
            ?? (tbs.TrySkip(decided.Request.PublicKey.SubjectPublicKeyInfo.Span) ? null : "the draft has another public key")
            ?? FindExtensionsProblem(ref tbs, decided, authority);
    }

    // RFC 5280 §4.1.2.2: positive, at most 20 bytes.
    private static string? FindSerialProblem(ref DerCursor tbs, ReadOnlySpan<byte> decided) =>
        tbs.TryRead(0x02, out var serial) && serial.Length is > 0 and <= 20 && serial[0] < 0x80 && serial.SequenceEqual(decided)
            ? null
            : "the draft has another serial number";

    private static string? FindLifetimeProblem(ref DerCursor tbs, X509SvidContent decided, X509Authority authority)
    {
        if (!tbs.TryRead(0x30, out var content)) return "the draft has no lifetime";
        try
        {
            var notBefore = ReadTime(content, out var length);
            var notAfter = ReadTime(content[length..], out var rest);
            if (length + rest != content.Length || notBefore != decided.NotBefore || notAfter != decided.NotAfter) return "the draft has another lifetime";
            if (notAfter < notBefore) return "the draft's lifetime ends before it begins";
            return notBefore < authority.NotBefore || notAfter > authority.NotAfter ? "the draft outlives its authority" : null;
        }
        catch (AsnContentException)
        {
            return "the draft's lifetime is not two times";
        }
    }

    private static DateTimeOffset ReadTime(ReadOnlySpan<byte> der, out int length) => der is [0x17, ..]
        ? AsnDecoder.ReadUtcTime(der, AsnEncodingRules.DER, out length, twoDigitYearMax: 2049)
        : AsnDecoder.ReadGeneralizedTime(der, AsnEncodingRules.DER, out length);

    private static string? FindExtensionsProblem(ref DerCursor tbs, X509SvidContent decided, X509Authority authority)
    {
        if (!tbs.TryRead(0xA3, out var tagged) || !tbs.IsAtEnd) return "the draft does not end with extensions";
        var outer = new DerCursor(tagged);
        if (!outer.TryRead(0x30, out var list) || !outer.IsAtEnd) return "the draft's extensions are not a sequence";
        var all = new DerCursor(list);
        if (!TryReadExtension(ref all, BasicConstraints, isCritical: true, out var value) || !value.SequenceEqual(CertificateExtensions.NoAuthority))
            return "the draft does not say cA=false";
        if (!TryReadExtension(ref all, KeyUsage, isCritical: true, out value) || !value.SequenceEqual(CertificateExtensions.DigitalSignature))
            return "the draft's key usage is not digitalSignature alone";
        if (!TryReadExtension(ref all, ExtendedKeyUsage, isCritical: false, out value) || !value.SequenceEqual(CertificateExtensions.ServerAndClient))
            return "the draft's extended key usage is not serverAuth and clientAuth";
        if (!TryReadExtension(ref all, SubjectKeyIdentifier, isCritical: false, out value) || !HoldsKeyIdentifier(value, 0x04, decided.SubjectKeyIdentifier.Span))
            return "the draft has another subject key identifier";
        if (!TryReadExtension(ref all, AuthorityKeyIdentifier, isCritical: false, out value)
            || value.Length < 2 || value[0] != 0x30 || value[1] != value.Length - 2 || !HoldsKeyIdentifier(value[2..], 0x80, authority.KeyIdentifier.Span))
            return "the draft names another issuer key";
        if (!TryReadExtension(ref all, AlternativeName, isCritical: true, out value)) return "the draft has no critical alternative name";
        return FindNamesProblem(value, decided.Request, authority) ?? (all.IsAtEnd ? null : "the draft has more than six extensions");
    }

    private static bool TryReadExtension(ref DerCursor all, ReadOnlySpan<byte> oid, bool isCritical, out ReadOnlySpan<byte> value)
    {
        value = default;
        if (!all.TryRead(0x30, out var content)) return false;
        var extension = new DerCursor(content);
        return extension.TrySkip(oid)
            && (!isCritical || extension.TrySkip(Critical))
            && extension.TryRead(0x04, out value)
            && extension.IsAtEnd;
    }

    private static bool HoldsKeyIdentifier(ReadOnlySpan<byte> value, byte tag, ReadOnlySpan<byte> decided)
    {
        var identifier = new DerCursor(value);
        return identifier.TryRead(tag, out var bytes) && identifier.IsAtEnd && !bytes.IsEmpty && bytes.SequenceEqual(decided);
    }

    private static string? FindNamesProblem(ReadOnlySpan<byte> value, X509SvidRequest request, X509Authority authority)
    {
        var outer = new DerCursor(value);
        if (!outer.TryRead(0x30, out var list) || !outer.IsAtEnd) return "the draft's names are not a sequence";
        var names = new DerCursor(list);

        // X509-SVID §2 and §3.1: exactly one URI, the ID, and it has a path.
        if (!names.TryRead(0x86, out var uri) || !Ascii.Equals(uri, request.Id.ToString())) return "the draft names another SPIFFE ID";
        if (!request.Id.HasPath || !request.Id.IsMemberOf(authority.TrustDomain)) return "the draft's SPIFFE ID is not the authority's to give";
        for (var i = 0; i < request.DnsNames.Count; i++)
        {
            if (!names.TryRead(0x82, out var name) || !Ascii.Equals(name, request.DnsNames[i])) return "the draft has other names";
        }

        Span<byte> address = stackalloc byte[16];
        for (var i = 0; i < request.IpAddresses.Count; i++)
        {
            request.IpAddresses[i].TryWriteBytes(address, out var length);
            if (!names.TryRead(0x87, out var written) || !written.SequenceEqual(address[..length])) return "the draft has other names";
        }

        return names.IsAtEnd ? null : "the draft has other names";
    }
}
