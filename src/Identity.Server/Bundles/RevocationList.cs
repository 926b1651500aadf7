using System.Diagnostics.CodeAnalysis;
using System.Formats.Asn1;
using System.Numerics;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Identity.Server.Bundles;

/// <summary>A complete X.509 v2 certificate revocation list (RFC 5280 §5), as its bytes say: nothing here says that it is genuine.</summary>
internal sealed record RevocationList
{
    public const int MaxLength = 1 << 20;

    private const string AuthorityKeyIdentifier = "2.5.29.35";
    private const string CrlNumber = "2.5.29.20";

    private RevocationList()
    {
    }

    public ReadOnlyMemory<byte> Der { get; private init; }

    /// <summary>Of the authority that signed it; empty until that is known.</summary>
    public string AuthorityId { get; init; } = "";

    /// <summary>DER of the issuer's name.</summary>
    public ReadOnlyMemory<byte> Issuer { get; private init; }

    public DateTimeOffset ThisUpdate { get; private init; }

    public DateTimeOffset NextUpdate { get; private init; }

    /// <summary>RFC 5280 §5.2.3.</summary>
    public BigInteger Number { get; private init; }

    /// <summary>Certificates it revokes.</summary>
    public int Revoked { get; private init; }

    private ReadOnlyMemory<byte> Signed { get; init; }

    private ReadOnlyMemory<byte> Signature { get; init; }

    private HashAlgorithmName Hash { get; init; }

    private bool IsEcdsa { get; init; }

    public static bool TryRead(ReadOnlyMemory<byte> der, [NotNullWhen(true)] out RevocationList? list, [NotNullWhen(false)] out string? problem)
    {
        list = null;
        if (der.Length is 0 or > MaxLength)
        {
            problem = $"the revocation list has {der.Length} bytes; expected 1 to {MaxLength}";
            return false;
        }

        try
        {
            (list, problem) = Read(der.ToArray());
            return list is not null;
        }
        catch (AsnContentException)
        {
            problem = "it is not a DER encoded X.509 certificate revocation list, with nothing after it";
            return false;
        }
    }

    /// <summary>True when the key of this certificate signed it and the certificate may sign lists (RFC 5280 §6.3.3 f, g).</summary>
    public bool IsSignedBy(X509Certificate2 authority)
    {
        if (!authority.SubjectName.RawData.AsSpan().SequenceEqual(Issuer.Span)) return false;
        var usage = authority.Extensions.OfType<X509KeyUsageExtension>().FirstOrDefault();
        if (usage is not null && !usage.KeyUsages.HasFlag(X509KeyUsageFlags.CrlSign)) return false;
        using var ec = IsEcdsa ? authority.GetECDsaPublicKey() : null;
        using var rsa = IsEcdsa ? null : authority.GetRSAPublicKey();
        return ec?.VerifyData(Signed.Span, Signature.Span, Hash, DSASignatureFormat.Rfc3279DerSequence)
            ?? rsa?.VerifyData(Signed.Span, Signature.Span, Hash, RSASignaturePadding.Pkcs1)
            ?? false;
    }

    private static (RevocationList? List, string? Problem) Read(ReadOnlyMemory<byte> der)
    {
        // CertificateList ::= SEQUENCE { tbsCertList, signatureAlgorithm, signatureValue }
        var outside = new AsnReader(der, AsnEncodingRules.DER);
        var whole = outside.ReadSequence();
        outside.ThrowIfNotEmpty();
        var signed = whole.PeekEncodedValue();
        var fields = whole.ReadSequence();
        var algorithm = whole.ReadEncodedValue();
        var signature = whole.ReadBitString(out var unused);
        whole.ThrowIfNotEmpty();

        if (!IsNext(fields, Asn1Tag.Integer) || !fields.TryReadInt32(out var version) || version != 1) return (null, "it is not a version 2 list (RFC 5280 §5.1.2.1)");
        if (!fields.ReadEncodedValue().Span.SequenceEqual(algorithm.Span)) return (null, "its two signature algorithms differ (RFC 5280 §5.1.1.2)");
        var oid = new AsnReader(algorithm, AsnEncodingRules.DER).ReadSequence().ReadObjectIdentifier();
        if (Algorithm(oid) is not { } known || unused != 0) return (null, $"it is signed with {oid}; expected ECDSA or RSA PKCS#1 with SHA-256, SHA-384 or SHA-512");
        var issuer = fields.ReadEncodedValue();
        var thisUpdate = ReadTime(fields);
        if (!fields.HasData || !IsTime(fields.PeekTag())) return (null, "it does not say when the next one is due (RFC 5280 §5.1.2.5)");
        var nextUpdate = ReadTime(fields);
        var revoked = IsNext(fields, Asn1Tag.Sequence) ? CountRevoked(fields.ReadSequence()) : 0;
        if (revoked is null) return (null, "one of its entries has a critical extension; indirect lists are not accepted");
        BigInteger? number = null;
        var namesKey = false;
        if (fields.HasData)
        {
            var extensions = fields.ReadSequence(new Asn1Tag(TagClass.ContextSpecific, 0)).ReadSequence();
            fields.ThrowIfNotEmpty();
            if (FindExtensionProblem(extensions, ref number, ref namesKey) is { } problem) return (null, problem);
        }

        // RFC 5280 §5.2.1 and §5.2.3: conforming issuers include both.
        if (number is null || !namesKey) return (null, "it has no CRL number or no authority key identifier (RFC 5280 §5.2)");
        return (new RevocationList
        {
            Der = der,
            Issuer = issuer,
            ThisUpdate = thisUpdate,
            NextUpdate = nextUpdate,
            Number = number.Value,
            Revoked = revoked.Value,
            Signed = signed,
            Signature = signature,
            Hash = known.Hash,
            IsEcdsa = known.IsEcdsa,
        }, null);
    }

    /// <summary>Null when an entry has a critical extension, which is how an indirect list names another issuer (RFC 5280 §5.3.3).</summary>
    private static int? CountRevoked(AsnReader entries)
    {
        var count = 0;
        while (entries.HasData)
        {
            var entry = entries.ReadSequence();
            entry.ReadIntegerBytes();
            ReadTime(entry);
            if (entry.HasData && HasCritical(entry.ReadSequence())) return null;
            entry.ThrowIfNotEmpty();
            count++;
        }

        return count;
    }

    private static string? FindExtensionProblem(AsnReader extensions, ref BigInteger? number, ref bool namesKey)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        while (extensions.HasData)
        {
            var (oid, isCritical, value) = ReadExtension(extensions);
            if (!seen.Add(oid)) return $"it has the extension {oid} twice";
            switch (oid)
            {
                case CrlNumber:
                    number = new AsnReader(value, AsnEncodingRules.DER).ReadInteger();
                    break;
                case AuthorityKeyIdentifier:
                    namesKey = true;
                    break;
                default:
                    // Delta lists (§5.2.4) and lists of a part (§5.2.5) are marked by critical extensions.
                    if (isCritical) return $"it has the critical extension {oid}; only complete lists are accepted, no delta, partial or indirect ones";
                    break;
            }
        }

        return null;
    }

    private static bool HasCritical(AsnReader extensions)
    {
        var found = false;
        while (extensions.HasData) found |= ReadExtension(extensions).IsCritical;
        return found;
    }

    private static (string Oid, bool IsCritical, ReadOnlyMemory<byte> Value) ReadExtension(AsnReader extensions)
    {
        var extension = extensions.ReadSequence();
        var oid = extension.ReadObjectIdentifier();
        var isCritical = IsNext(extension, Asn1Tag.Boolean) && extension.ReadBoolean();
        var value = extension.ReadOctetString();
        extension.ThrowIfNotEmpty();
        return (oid, isCritical, value);
    }

    private static bool IsTime(Asn1Tag tag) => tag.HasSameClassAndValue(Asn1Tag.UtcTime) || tag.HasSameClassAndValue(Asn1Tag.GeneralizedTime);

    private static DateTimeOffset ReadTime(AsnReader reader) =>
        reader.PeekTag().HasSameClassAndValue(Asn1Tag.UtcTime) ? reader.ReadUtcTime() : reader.ReadGeneralizedTime();

    private static (HashAlgorithmName Hash, bool IsEcdsa)? Algorithm(string oid) => oid switch
    {
        "1.2.840.10045.4.3.2" => (HashAlgorithmName.SHA256, true),
        "1.2.840.10045.4.3.3" => (HashAlgorithmName.SHA384, true),
        "1.2.840.10045.4.3.4" => (HashAlgorithmName.SHA512, true),
        "1.2.840.113549.1.1.11" => (HashAlgorithmName.SHA256, false),
        "1.2.840.113549.1.1.12" => (HashAlgorithmName.SHA384, false),
        "1.2.840.113549.1.1.13" => (HashAlgorithmName.SHA512, false),
        _ => null,
    };

    private static bool IsNext(AsnReader reader, Asn1Tag tag) => reader.HasData && reader.PeekTag().HasSameClassAndValue(tag);
}
