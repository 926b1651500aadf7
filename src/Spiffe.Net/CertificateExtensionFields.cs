using System.Formats.Asn1;
using System.Security.Cryptography.X509Certificates;

namespace Spiffe.Net;

/// <summary>What the extensions of a certificate say (RFC 5280 §4.2); absent ones leave their member at null, false or empty.</summary>
internal sealed class CertificateExtensionFields
{
    // Enough for any real certificate; stops a crafted one from making us loop.
    private const int MaxExtensions = 32;
    private const int MaxPurposes = 32;

    private static readonly Asn1Tag KeyIdentifierTag = new(TagClass.ContextSpecific, 0);

    public int Count { get; private set; }

    public bool HasBasicConstraints { get; private set; }

    public bool HasCriticalBasicConstraints { get; private set; }

    public bool IsCertificateAuthority { get; private set; }

    /// <summary>How many intermediates that are not self-issued may stand between this authority and a leaf; null is any number.</summary>
    public int? PathLength { get; private set; }

    public X509KeyUsageFlags? KeyUsage { get; private set; }

    public bool HasCriticalKeyUsage { get; private set; }

    public IReadOnlyList<string>? ExtendedKeyUsage { get; private set; }

    public bool HasCriticalSubjectAlternativeName { get; private set; }

    public SubjectAlternativeNames AlternativeNames { get; private set; } = SubjectAlternativeNames.None;

    public ReadOnlyMemory<byte> SubjectKeyIdentifier { get; private set; }

    public ReadOnlyMemory<byte> AuthorityKeyIdentifier { get; private set; }

    public NameConstraints? NameConstraints { get; private set; }

    /// <summary>The first extension that restricts what the certificate is good for in a way nothing here evaluates; null when there is none.</summary>
    public string? UnprocessedRestriction { get; private set; }

    /// <param name="isStrict">Also walks through what the known extensions hold and nobody here reads.</param>
    public void Read(AsnReader extensions, bool isStrict)
    {
        if (!extensions.HasData) throw new CertificateProblemException("the certificate has an empty list of extensions");
        var seen = new ReadOnlyMemory<byte>[MaxExtensions];
        while (extensions.HasData)
        {
            if (Count == MaxExtensions) throw new CertificateProblemException($"the certificate has more than {MaxExtensions} extensions");
            var extension = extensions.ReadSequence();
            var id = ReadId(extension);
            if (Contains(seen.AsSpan(0, Count), id)) throw new CertificateProblemException($"the certificate has the extension {Name(id)} twice");
            seen[Count++] = id;
            var critical = ReadFlag(extension);
            if (!extension.TryReadPrimitiveOctetString(out var content)) throw new AsnContentException();
            extension.ThrowIfNotEmpty();
            ReadKnown(id, critical, content, isStrict);
        }
    }

    private void ReadKnown(ReadOnlyMemory<byte> id, bool critical, ReadOnlyMemory<byte> content, bool isStrict)
    {
        // id-ce, 2.5.29, is 55 1D; all that is known here lies directly below it.
        var number = id.Span is [0x55, 0x1D, var last] ? last : 0;
        if (number is not (14 or 15 or 17 or 19 or 30 or 35 or 37))
        {
            // The policy extensions that restrict (§4.2.1.5, .11, .14) must be critical; one that is not restricts all the same.
            if (critical || number is 33 or 36 or 54) UnprocessedRestriction ??= Name(id);
            return;
        }

        if (isStrict) StrictDer.Check(content.Span);
        var value = new AsnReader(content, AsnEncodingRules.DER);
        switch (number)
        {
            case 14:
                SubjectKeyIdentifier = value.ReadOctetString();
                break;
            case 15:
                HasCriticalKeyUsage = critical;
                KeyUsage = ReadKeyUsage(value);
                break;
            case 17:
                HasCriticalSubjectAlternativeName = critical;
                AlternativeNames = SubjectAlternativeNames.Read(value);
                break;
            case 19:
                ReadBasicConstraints(value.ReadSequence(), critical);
                break;
            case 30:
                NameConstraints = NameConstraints.Read(value);
                break;
            case 35:
                ReadAuthorityKeyIdentifier(value.ReadSequence());
                break;
            case 37:
                ExtendedKeyUsage = ReadPurposes(value.ReadSequence());
                break;
        }

        value.ThrowIfNotEmpty();
    }

    private void ReadBasicConstraints(AsnReader constraints, bool critical)
    {
        HasBasicConstraints = true;
        HasCriticalBasicConstraints = critical;
        IsCertificateAuthority = ReadFlag(constraints);
        if (!constraints.HasData) return;
        PathLength = constraints.TryReadInt32(out var length) && length >= 0
            ? length
            : throw new CertificateProblemException("the certificate has a path length that is not a number from 0 up");
        constraints.ThrowIfNotEmpty();
    }

    // RFC 5280 §4.2.1.1. Issuer and serial number are of no use to us; they may be there.
    private void ReadAuthorityKeyIdentifier(AsnReader authority)
    {
        if (authority.HasData && authority.PeekTag() == KeyIdentifierTag) AuthorityKeyIdentifier = authority.ReadOctetString(KeyIdentifierTag);
    }

    // KeyUsage numbers its bits from the left of the first byte; X509KeyUsageFlags holds that byte below and the second byte above.
    private static X509KeyUsageFlags ReadKeyUsage(AsnReader value)
    {
        if (!value.TryReadPrimitiveBitString(out var unusedBits, out var memory)) throw new AsnContentException();
        var bits = memory.Span;

        // X.690 §11.2.2: the last bit of a named list is set. RFC 5280 §4.2.1.3: there is at least one, and none beyond decipherOnly.
        if (bits.IsEmpty || (bits[^1] >> unusedBits & 1) == 0) throw new CertificateProblemException("the certificate's key usage ends in bits that are not set");
        if (bits.Length > 2 || (bits.Length == 2 && bits[1] != 0x80)) throw new CertificateProblemException("the certificate has a key usage with unknown bits");
        return (X509KeyUsageFlags)(bits[0] | (bits.Length == 2 ? bits[1] << 8 : 0));
    }

    private static List<string> ReadPurposes(AsnReader list)
    {
        List<string> purposes = [];
        while (list.HasData)
        {
            if (purposes.Count == MaxPurposes) throw new CertificateProblemException($"the certificate has more than {MaxPurposes} extended key usages");
            purposes.Add(list.ReadObjectIdentifier());
        }

        return purposes.Count > 0 ? purposes : throw new CertificateProblemException("the certificate has an empty extended key usage");
    }

    /// <summary>A BOOLEAN DEFAULT FALSE. X.690 §11.5: a default is left out.</summary>
    private static bool ReadFlag(AsnReader sequence)
    {
        if (!sequence.HasData || sequence.PeekTag() != Asn1Tag.Boolean) return false;
        return sequence.ReadBoolean() ? true : throw new CertificateProblemException("the certificate writes out a default value, which DER leaves out");
    }

    private static ReadOnlyMemory<byte> ReadId(AsnReader extension)
    {
        if (extension.PeekTag() != Asn1Tag.ObjectIdentifier) throw new AsnContentException();
        var id = extension.PeekContentBytes();
        extension.ReadEncodedValue();
        return id;
    }

    private static bool Contains(ReadOnlySpan<ReadOnlyMemory<byte>> seen, ReadOnlyMemory<byte> id)
    {
        foreach (var other in seen)
        {
            if (other.Span.SequenceEqual(id.Span)) return true;
        }

        return false;
    }

    private static string Name(ReadOnlyMemory<byte> id) =>
        id.Length < 0x80 ? Quoted.From(AsnDecoder.ReadObjectIdentifier([0x06, (byte)id.Length, .. id.Span], AsnEncodingRules.DER, out _)) : "of a very long name";
}
