using System.Diagnostics.CodeAnalysis;
using System.Formats.Asn1;
using System.Security.Cryptography.X509Certificates;

namespace Spiffe.Net;

/// <summary>
/// A certificate as its bytes say, read strictly (RFC 5280 §4.1): DER throughout, nothing after the end, no extension twice. Decides nothing and
/// verifies nothing. It refers to the bytes it was read from.
/// </summary>
internal sealed class CertificateFields
{
    private static readonly Asn1Tag VersionTag = new(TagClass.ContextSpecific, 0);
    private static readonly Asn1Tag ExtensionsTag = new(TagClass.ContextSpecific, 3);

    private SubjectPublicKey? _publicKey;

    private CertificateFields()
    {
    }

    /// <summary>The TBSCertificate: what the signature is over.</summary>
    public ReadOnlyMemory<byte> SignedPart { get; private set; }

    /// <summary>Empty when only the signed part was read.</summary>
    public ReadOnlyMemory<byte> Signature { get; private set; }

    /// <summary>The content of the INTEGER; the first byte tells its sign.</summary>
    public ReadOnlyMemory<byte> SerialNumber { get; private set; }

    /// <summary>The AlgorithmIdentifier inside the signed part.</summary>
    public ReadOnlyMemory<byte> SignatureAlgorithm { get; private set; }

    /// <summary>The AlgorithmIdentifier beside the signature; empty when only the signed part was read.</summary>
    public ReadOnlyMemory<byte> OuterSignatureAlgorithm { get; private set; }

    public ReadOnlyMemory<byte> Issuer { get; private set; }

    public ReadOnlyMemory<byte> Subject { get; private set; }

    public DateTimeOffset NotBefore { get; private set; }

    public DateTimeOffset NotAfter { get; private set; }

    public ReadOnlyMemory<byte> SubjectPublicKeyInfo { get; private set; }

    public CertificateExtensionFields Extensions { get; } = new();

    public bool HasEmptySubject => DistinguishedName.IsEmpty(Subject.Span);

    /// <summary>RFC 5280 §6.1: the same name in both places, as a renewed root may have under its former key.</summary>
    public bool IsSelfIssued => Subject.Span.SequenceEqual(Issuer.Span);

    public bool HasBasicConstraints => Extensions.HasBasicConstraints;

    public bool HasCriticalBasicConstraints => Extensions.HasCriticalBasicConstraints;

    public bool IsCertificateAuthority => Extensions.IsCertificateAuthority;

    public bool HasPathLength => Extensions.PathLength is not null;

    public X509KeyUsageFlags? KeyUsage => Extensions.KeyUsage;

    public bool HasCriticalKeyUsage => Extensions.HasCriticalKeyUsage;

    public IReadOnlyList<string>? ExtendedKeyUsage => Extensions.ExtendedKeyUsage;

    public bool HasCriticalSubjectAlternativeName => Extensions.HasCriticalSubjectAlternativeName;

    public SubjectAlternativeNames AlternativeNames => Extensions.AlternativeNames;

    public ReadOnlyMemory<byte> SubjectKeyIdentifier => Extensions.SubjectKeyIdentifier;

    public ReadOnlyMemory<byte> AuthorityKeyIdentifier => Extensions.AuthorityKeyIdentifier;

    public NameConstraints? NameConstraints => Extensions.NameConstraints;

    public int ExtensionCount => Extensions.Count;

    public static bool TryRead(
        ReadOnlyMemory<byte> certificate, [NotNullWhen(true)] out CertificateFields? fields, [NotNullWhen(false)] out string? problem)
    {
        fields = null;
        if (certificate.Length > DerCertificates.MaxCertificateLength)
        {
            problem = $"the certificate has {certificate.Length} bytes; at most {DerCertificates.MaxCertificateLength} are allowed";
            return false;
        }

        try
        {
            StrictDer.Check(certificate.Span);
            var read = new CertificateFields();
            var outer = new AsnReader(certificate, AsnEncodingRules.DER);
            var sequence = outer.ReadSequence();
            outer.ThrowIfNotEmpty();
            read.SignedPart = sequence.PeekEncodedValue();
            read.ReadSignedPart(sequence.ReadSequence(), isStrict: true);
            read.OuterSignatureAlgorithm = sequence.ReadEncodedValue();
            if (!sequence.TryReadPrimitiveBitString(out var unusedBits, out var signature) || unusedBits != 0)
                throw new CertificateProblemException("the certificate's signature is not a whole number of bytes");
            read.Signature = signature;
            sequence.ThrowIfNotEmpty();
            (fields, problem) = (read, null);
            return true;
        }
        catch (AsnContentException)
        {
            problem = "the certificate is not well-formed DER, or has bytes after its end";
            return false;
        }
        catch (CertificateProblemException flaw)
        {
            problem = flaw.Message;
            return false;
        }
    }

    /// <summary>Reads a TBSCertificate: what an issuer of ours is about to sign, so that its writer is trusted to write DER.</summary>
    public static bool TryReadSignedPart(
        ReadOnlyMemory<byte> signedPart, [NotNullWhen(true)] out CertificateFields? fields, [NotNullWhen(false)] out string? problem)
    {
        fields = null;
        try
        {
            var read = new CertificateFields { SignedPart = signedPart };
            var outer = new AsnReader(signedPart, AsnEncodingRules.DER);
            read.ReadSignedPart(outer.ReadSequence(), isStrict: false);
            outer.ThrowIfNotEmpty();
            (fields, problem) = (read, null);
            return true;
        }
        catch (AsnContentException)
        {
            problem = "the certificate is not well-formed DER, or has bytes after its end";
            return false;
        }
        catch (CertificateProblemException flaw)
        {
            problem = flaw.Message;
            return false;
        }
    }

    /// <summary>The subject's key when it is of a kind and size we accept; read once.</summary>
    public bool TryReadPublicKey([NotNullWhen(true)] out SubjectPublicKey? key, [NotNullWhen(false)] out string? problem)
    {
        (key, problem) = (_publicKey, null);
        if (key is not null) return true;
        if (!SubjectPublicKey.TryReadWithoutImport(SubjectPublicKeyInfo, out key, out problem)) return false;
        _publicKey = key;
        return true;
    }

    private void ReadSignedPart(AsnReader tbs, bool isStrict)
    {
        if (!tbs.HasData || !tbs.PeekTag().HasSameClassAndValue(VersionTag)) throw new CertificateProblemException("the certificate is not version 3");
        var version = tbs.ReadSequence(VersionTag);
        if (!version.TryReadInt32(out var number) || number != 2) throw new CertificateProblemException("the certificate is not version 3");
        version.ThrowIfNotEmpty();

        SerialNumber = tbs.ReadIntegerBytes();
        SignatureAlgorithm = tbs.PeekEncodedValue();
        tbs.ReadSequence();
        Issuer = DistinguishedName.Read(tbs);
        var validity = tbs.ReadSequence();
        NotBefore = ReadTime(validity);
        NotAfter = ReadTime(validity);
        validity.ThrowIfNotEmpty();
        Subject = DistinguishedName.Read(tbs);
        SubjectPublicKeyInfo = tbs.PeekEncodedValue();
        tbs.ReadSequence();

        // RFC 5280 §4.1.2.8: conforming certificates carry no unique identifiers, so what is left can only be the extensions.
        if (!tbs.HasData) return;
        var extensions = tbs.ReadSequence(ExtensionsTag);
        tbs.ThrowIfNotEmpty();
        Extensions.Read(extensions.ReadSequence(), isStrict);
        extensions.ThrowIfNotEmpty();
    }

    // RFC 5280 §4.1.2.5: UTCTime up to 2049, GeneralizedTime without fractions after it, so that one time has one encoding.
    private static DateTimeOffset ReadTime(AsnReader validity)
    {
        if (validity.PeekTag() == Asn1Tag.UtcTime) return validity.ReadUtcTime(2049);
        var time = validity.ReadGeneralizedTime();
        return time.Year >= 2050 && time.Ticks % TimeSpan.TicksPerSecond == 0
            ? time
            : throw new CertificateProblemException("the certificate writes a time before 2050, or a fraction of a second, as GeneralizedTime");
    }
}

/// <summary>Carries a flaw out of the reader's depth; never leaves <see cref="CertificateFields"/>.</summary>
internal sealed class CertificateProblemException(string problem) : Exception(problem);
