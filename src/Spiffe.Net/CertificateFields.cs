using System.Diagnostics.CodeAnalysis;
using System.Formats.Asn1;
using System.Numerics;
using System.Security.Cryptography.X509Certificates;

namespace Spiffe.Net;

/// <summary>A certificate as its bytes say, read strictly: DER, nothing after the end, no extension twice. Decides nothing.</summary>
internal sealed class CertificateFields
{
    // Enough for any real certificate; stops a crafted one from making us loop.
    private const int MaxExtensions = 32;

    private CertificateFields()
    {
    }

    public ReadOnlyMemory<byte> SerialNumber { get; private set; }

    /// <summary>The AlgorithmIdentifier inside the signed part.</summary>
    public ReadOnlyMemory<byte> SignatureAlgorithm { get; private set; }

    public string SignatureAlgorithmOid { get; private set; } = "";

    /// <summary>The AlgorithmIdentifier beside the signature; empty when only the signed part was read.</summary>
    public ReadOnlyMemory<byte> OuterSignatureAlgorithm { get; private set; }

    public ReadOnlyMemory<byte> Issuer { get; private set; }

    public ReadOnlyMemory<byte> Subject { get; private set; }

    public DateTimeOffset NotBefore { get; private set; }

    public DateTimeOffset NotAfter { get; private set; }

    public ReadOnlyMemory<byte> SubjectPublicKeyInfo { get; private set; }

    public bool HasEmptySubject => Subject.Span.SequenceEqual((ReadOnlySpan<byte>)[0x30, 0x00]);

    public bool HasBasicConstraints { get; private set; }

    public bool HasCriticalBasicConstraints { get; private set; }

    public bool IsCertificateAuthority { get; private set; }

    public bool HasPathLength { get; private set; }

    /// <summary>Null when the extension is absent.</summary>
    public X509KeyUsageFlags? KeyUsage { get; private set; }

    public bool HasCriticalKeyUsage { get; private set; }

    /// <summary>Null when the extension is absent.</summary>
    public IReadOnlyList<string>? ExtendedKeyUsage { get; private set; }

    public bool HasCriticalSubjectAlternativeName { get; private set; }

    public SubjectAlternativeNames AlternativeNames { get; private set; } = SubjectAlternativeNames.None;

    public ReadOnlyMemory<byte> SubjectKeyIdentifier { get; private set; }

    public ReadOnlyMemory<byte> AuthorityKeyIdentifier { get; private set; }

    public bool HasNameConstraints { get; private set; }

    /// <summary>The first critical extension that nothing here understands; null when there is none.</summary>
    public string? UnknownCriticalExtension { get; private set; }

    public int ExtensionCount { get; private set; }

    public static bool TryRead(
        ReadOnlyMemory<byte> certificate, [NotNullWhen(true)] out CertificateFields? fields, [NotNullWhen(false)] out string? problem)
    {
        fields = null;
        if (certificate.Length > DerCertificates.MaxCertificateLength)
        {
            problem = $"the certificate has {certificate.Length} bytes; at most {DerCertificates.MaxCertificateLength} are allowed";
            return false;
        }

        var read = new CertificateFields();
        problem = Describe(() =>
        {
            var outer = new AsnReader(certificate, AsnEncodingRules.DER);
            var sequence = outer.ReadSequence();
            outer.ThrowIfNotEmpty();
            read.ReadSignedPart(sequence.ReadSequence());
            read.OuterSignatureAlgorithm = sequence.ReadEncodedValue();
            sequence.ReadBitString(out _);
            sequence.ThrowIfNotEmpty();
        });
        fields = problem is null ? read : null;
        return fields is not null;
    }

    /// <summary>Reads a TBSCertificate: what an issuer is about to sign.</summary>
    public static bool TryReadSignedPart(
        ReadOnlyMemory<byte> signedPart, [NotNullWhen(true)] out CertificateFields? fields, [NotNullWhen(false)] out string? problem)
    {
        var read = new CertificateFields();
        problem = Describe(() =>
        {
            var outer = new AsnReader(signedPart, AsnEncodingRules.DER);
            read.ReadSignedPart(outer.ReadSequence());
            outer.ThrowIfNotEmpty();
        });
        fields = problem is null ? read : null;
        return fields is not null;
    }

    private static string? Describe(Action read)
    {
        try
        {
            read();
            return null;
        }
        catch (AsnContentException)
        {
            return "the certificate is not well-formed DER, or has bytes after its end";
        }
        catch (CertificateProblemException flaw)
        {
            return flaw.Message;
        }
    }

    private void ReadSignedPart(AsnReader tbs)
    {
        var versionTag = new Asn1Tag(TagClass.ContextSpecific, 0);
        if (!tbs.HasData || !tbs.PeekTag().HasSameClassAndValue(versionTag)) throw new CertificateProblemException("the certificate is not version 3");
        var version = tbs.ReadSequence(versionTag);
        if (version.ReadInteger() != new BigInteger(2)) throw new CertificateProblemException("the certificate is not version 3");
        version.ThrowIfNotEmpty();

        SerialNumber = tbs.ReadIntegerBytes();
        SignatureAlgorithm = tbs.PeekEncodedValue();
        SignatureAlgorithmOid = tbs.ReadSequence().ReadObjectIdentifier();
        Issuer = tbs.ReadEncodedValue();
        var validity = tbs.ReadSequence();
        NotBefore = ReadTime(validity);
        NotAfter = ReadTime(validity);
        validity.ThrowIfNotEmpty();
        Subject = tbs.ReadEncodedValue();
        SubjectPublicKeyInfo = tbs.ReadEncodedValue();

        // RFC 5280 §4.1.2.8: conforming certificates carry no unique identifiers, so what is left can only be the extensions.
        if (!tbs.HasData) return;
        var extensions = tbs.ReadSequence(new Asn1Tag(TagClass.ContextSpecific, 3));
        tbs.ThrowIfNotEmpty();
        ReadExtensions(extensions.ReadSequence());
        extensions.ThrowIfNotEmpty();
    }

    private static DateTimeOffset ReadTime(AsnReader validity) =>
        validity.PeekTag() == Asn1Tag.UtcTime ? validity.ReadUtcTime(2049) : validity.ReadGeneralizedTime();

    private void ReadExtensions(AsnReader extensions)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        while (extensions.HasData)
        {
            var extension = extensions.ReadSequence();
            var oid = extension.ReadObjectIdentifier();
            if (!seen.Add(oid)) throw new CertificateProblemException($"the certificate has the extension {oid} twice");
            if (seen.Count > MaxExtensions) throw new CertificateProblemException($"the certificate has more than {MaxExtensions} extensions");
            var critical = extension.PeekTag() == Asn1Tag.Boolean && extension.ReadBoolean();
            var value = new AsnReader(extension.ReadOctetString(), AsnEncodingRules.DER);
            extension.ThrowIfNotEmpty();
            if (ReadExtension(oid, critical, value)) value.ThrowIfNotEmpty();
            else if (critical) UnknownCriticalExtension ??= oid;
        }

        ExtensionCount = seen.Count;
    }

    /// <summary>False for an extension that is not known here.</summary>
    private bool ReadExtension(string oid, bool critical, AsnReader value)
    {
        switch (oid)
        {
            case CertificateOids.BasicConstraints:
                HasBasicConstraints = true;
                HasCriticalBasicConstraints = critical;
                var constraints = value.ReadSequence();
                IsCertificateAuthority = constraints.HasData && constraints.PeekTag() == Asn1Tag.Boolean && constraints.ReadBoolean();
                HasPathLength = constraints.HasData && constraints.TryReadInt32(out _);
                constraints.ThrowIfNotEmpty();
                return true;
            case CertificateOids.KeyUsage:
                HasCriticalKeyUsage = critical;
                KeyUsage = (X509KeyUsageFlags)ReadNamedBits(value);
                return true;
            case CertificateOids.ExtendedKeyUsage:
                var purposes = new List<string>();
                var list = value.ReadSequence();
                while (list.HasData) purposes.Add(list.ReadObjectIdentifier());
                ExtendedKeyUsage = purposes;
                return true;
            case CertificateOids.SubjectAlternativeName:
                HasCriticalSubjectAlternativeName = critical;
                AlternativeNames = SubjectAlternativeNames.Read(value);
                return true;
            case CertificateOids.SubjectKeyIdentifier:
                SubjectKeyIdentifier = value.ReadOctetString();
                return true;
            case CertificateOids.AuthorityKeyIdentifier:
                var authority = value.ReadSequence();
                var keyIdentifierTag = new Asn1Tag(TagClass.ContextSpecific, 0);
                if (authority.HasData && authority.PeekTag() == keyIdentifierTag) AuthorityKeyIdentifier = authority.ReadOctetString(keyIdentifierTag);
                return true;
            case CertificateOids.NameConstraints:
                HasNameConstraints = true;
                value.ReadEncodedValue();
                return true;
            default:
                return false;
        }
    }

    // KeyUsage numbers its bits from the left of the first byte; X509KeyUsageFlags holds that byte below and the second byte above.
    private static int ReadNamedBits(AsnReader value)
    {
        var bits = value.ReadBitString(out _);
        if (bits.Length > 2) throw new CertificateProblemException("the certificate has a key usage with unknown bits");
        return bits.Length == 0 ? 0 : bits[0] | (bits.Length == 2 ? bits[1] << 8 : 0);
    }
}

/// <summary>Carries a flaw out of the reader's depth; never leaves <see cref="CertificateFields"/>.</summary>
internal sealed class CertificateProblemException(string problem) : Exception(problem);
