using System.Formats.Asn1;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Spiffe.Net;

namespace Identity.Tests.SpiffeNet;

/// <summary>Writes whatever certificate a recipe asks for, wrong ones above all.</summary>
internal sealed record CertificateRecipe
{
    public static readonly DateTimeOffset Now = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    public string Subject { get; init; } = "";

    public IReadOnlyList<string> Uris { get; init; } = ["spiffe://example.org/hosts/local"];

    public bool IsAuthority { get; init; }

    public int? PathLength { get; init; }

    public bool HasBasicConstraints { get; init; } = true;

    public bool CriticalBasicConstraints { get; init; } = true;

    /// <summary>The content of the BIT STRING; null leaves the extension out.</summary>
    public byte? KeyUsage { get; init; } = DigitalSignature;

    public bool CriticalKeyUsage { get; init; } = true;

    public IReadOnlyList<string>? ExtendedKeyUsage { get; init; } = [CertificateOids.ServerAuthentication, CertificateOids.ClientAuthentication];

    public bool CriticalAlternativeNames { get; init; } = true;

    public IReadOnlyList<(string Oid, bool Critical, byte[] Value)> MoreExtensions { get; init; } = [];

    public DateTimeOffset NotBefore { get; init; } = Now.AddMinutes(-1);

    public DateTimeOffset NotAfter { get; init; } = Now.AddHours(1);

    public byte[] SerialNumber { get; init; } = [0x42];

    public bool IsVersion3 { get; init; } = true;

    public AsymmetricAlgorithm Key { get; init; } = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    public HashAlgorithmName Hash { get; init; } = HashAlgorithmName.SHA256;

    /// <summary>Signs what it issues with RSA-PSS instead of PKCS#1 v1.5.</summary>
    public bool SignsWithPss { get; init; }

    public string? OuterAlgorithm { get; init; }

    public IReadOnlyList<string> DnsNames { get; init; } = [];

    public IReadOnlyList<string> Addresses { get; init; } = [];

    /// <summary>Further GeneralNames, encoded.</summary>
    public IReadOnlyList<byte[]> MoreNames { get; init; } = [];

    /// <summary>Changes the TBSCertificate before it is signed.</summary>
    public Action<DerTree>? SpoilSignedPart { get; init; }

    /// <summary>Changes the certificate after it was signed.</summary>
    public Action<DerTree>? SpoilWhole { get; init; }

    public const byte DigitalSignature = 0x80;
    public const byte CertificateSign = 0x04;
    public const byte CrlSign = 0x02;

    public static CertificateRecipe Authority(string name) => new()
    {
        Subject = name,
        Uris = ["spiffe://example.org"],
        IsAuthority = true,
        KeyUsage = CertificateSign | CrlSign,
        ExtendedKeyUsage = null,
        CriticalAlternativeNames = false,
        NotBefore = Now.AddDays(-1),
        NotAfter = Now.AddDays(1),
    };
}

/// <summary>A certificate with the key that can sign the next one.</summary>
internal sealed class ForgedCertificate
{
    private static readonly Asn1Tag VersionTag = new(TagClass.ContextSpecific, 0);
    private static readonly Asn1Tag ExtensionsTag = new(TagClass.ContextSpecific, 3);

    private readonly CertificateRecipe _recipe;

    private ForgedCertificate(CertificateRecipe recipe, byte[] der)
    {
        _recipe = recipe;
        Der = der;
    }

    public byte[] Der { get; }

    public byte[] PrivateKey => _recipe.Key.ExportPkcs8PrivateKey();

    public static ForgedCertificate SelfSigned(CertificateRecipe recipe) => new(recipe, Write(recipe, recipe));

    public ForgedCertificate Issue(CertificateRecipe recipe) => new(recipe, Write(recipe, _recipe));

    public TrustBundle AsBundle(string trustDomain = "example.org") =>
        TrustBundle.TryCreate(TrustDomain.Parse(trustDomain), [Der], [], null, null, out var bundle, out var problem)
            ? bundle
            : throw new InvalidOperationException(problem);

    private static byte[] Write(CertificateRecipe recipe, CertificateRecipe issuer)
    {
        var algorithm = AlgorithmOf(issuer);
        var tbs = new AsnWriter(AsnEncodingRules.DER);
        using (tbs.PushSequence())
        {
            if (recipe.IsVersion3)
            {
                using (tbs.PushSequence(VersionTag)) tbs.WriteInteger(2);
            }

            tbs.WriteInteger(recipe.SerialNumber);
            tbs.WriteEncodedValue(algorithm);
            WriteName(tbs, issuer.Subject);
            using (tbs.PushSequence())
            {
                tbs.WriteUtcTime(recipe.NotBefore);
                tbs.WriteUtcTime(recipe.NotAfter);
            }

            WriteName(tbs, recipe.Subject);
            tbs.WriteEncodedValue(recipe.Key.ExportSubjectPublicKeyInfo());
            if (recipe.IsVersion3)
            {
                using (tbs.PushSequence(ExtensionsTag))
                using (tbs.PushSequence()) WriteExtensions(tbs, recipe);
            }
        }

        var signedPart = DerTree.Spoil(tbs.Encode(), recipe.SpoilSignedPart);
        var outer = recipe.OuterAlgorithm is { } oid ? AlgorithmIdentifier(oid) : algorithm;
        var signature = issuer.Key switch
        {
            ECDsa ec => ec.SignData(signedPart, issuer.Hash, DSASignatureFormat.Rfc3279DerSequence),
            RSA rsa => rsa.SignData(signedPart, issuer.Hash, issuer.SignsWithPss ? RSASignaturePadding.Pss : RSASignaturePadding.Pkcs1),
            _ => throw new InvalidOperationException("no such key"),
        };
        return DerTree.Spoil(DerTree.Encode(0x30, [.. signedPart, .. outer, .. DerTree.Encode(0x03, [0, .. signature])]), recipe.SpoilWhole);
    }

    private static void WriteExtensions(AsnWriter writer, CertificateRecipe recipe)
    {
        if (recipe.HasBasicConstraints)
        {
            WriteExtension(writer, CertificateOids.BasicConstraints, recipe.CriticalBasicConstraints, value =>
            {
                using (value.PushSequence())
                {
                    if (recipe.IsAuthority) value.WriteBoolean(true);
                    if (recipe.PathLength is { } length) value.WriteInteger(length);
                }
            });
        }

        if (recipe.KeyUsage is { } usage)
        {
            var unused = usage == 0 ? 0 : int.TrailingZeroCount(usage);
            WriteExtension(writer, CertificateOids.KeyUsage, recipe.CriticalKeyUsage, value => value.WriteBitString([usage], unused));
        }

        if (recipe.ExtendedKeyUsage is { } purposes)
        {
            WriteExtension(writer, CertificateOids.ExtendedKeyUsage, critical: false, value =>
            {
                using (value.PushSequence())
                {
                    foreach (var purpose in purposes) value.WriteObjectIdentifier(purpose);
                }
            });
        }

        if (recipe.Uris.Count + recipe.DnsNames.Count + recipe.Addresses.Count + recipe.MoreNames.Count > 0)
        {
            WriteExtension(writer, CertificateOids.SubjectAlternativeName, recipe.CriticalAlternativeNames, value =>
            {
                using (value.PushSequence())
                {
                    foreach (var uri in recipe.Uris) value.WriteCharacterString(UniversalTagNumber.IA5String, uri, SubjectAlternativeNames.UriTag);
                    foreach (var name in recipe.DnsNames) value.WriteCharacterString(UniversalTagNumber.IA5String, name, SubjectAlternativeNames.DnsTag);
                    foreach (var address in recipe.Addresses) value.WriteOctetString(IPAddress.Parse(address).GetAddressBytes(), SubjectAlternativeNames.IpTag);
                    foreach (var name in recipe.MoreNames) value.WriteEncodedValue(name);
                }
            });
        }

        foreach (var (oid, critical, bytes) in recipe.MoreExtensions)
            WriteExtension(writer, oid, critical, value => value.WriteEncodedValue(bytes));
    }

    private static void WriteExtension(AsnWriter writer, string oid, bool critical, Action<AsnWriter> write)
    {
        using (writer.PushSequence())
        {
            writer.WriteObjectIdentifier(oid);
            if (critical) writer.WriteBoolean(true);
            using (writer.PushOctetString()) write(writer);
        }
    }

    private static void WriteName(AsnWriter writer, string commonName)
    {
        using (writer.PushSequence())
        {
            if (commonName.Length == 0) return;
            using (writer.PushSetOf())
            using (writer.PushSequence())
            {
                writer.WriteObjectIdentifier("2.5.4.3");
                writer.WriteCharacterString(UniversalTagNumber.UTF8String, commonName);
            }
        }
    }

    private static byte[] AlgorithmOf(CertificateRecipe issuer) => (issuer.Key, issuer.Hash.Name) switch
    {
        (ECDsa, "SHA256") => AlgorithmIdentifier("1.2.840.10045.4.3.2"),
        (ECDsa, "SHA384") => AlgorithmIdentifier("1.2.840.10045.4.3.3"),
        (ECDsa, "SHA1") => AlgorithmIdentifier("1.2.840.10045.4.1"),
        (RSA rsa, "SHA256") when issuer.SignsWithPss => PssIdentifier(rsa),
        (RSA, "SHA256") => AlgorithmIdentifier("1.2.840.113549.1.1.11"),
        (RSA, "SHA1") => AlgorithmIdentifier("1.2.840.113549.1.1.5"),
        (RSA, "MD5") => AlgorithmIdentifier("1.2.840.113549.1.1.4"),
        _ => throw new InvalidOperationException("no such algorithm"),
    };

    private static byte[] AlgorithmIdentifier(string oid)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            writer.WriteObjectIdentifier(oid);
            if (oid.StartsWith("1.2.840.113549", StringComparison.Ordinal)) writer.WriteNull();
        }

        return writer.Encode();
    }

    // As the base library writes it, not we.
    private static byte[] PssIdentifier(RSA key) =>
        X509SignatureGenerator.CreateForRSA(key, RSASignaturePadding.Pss).GetSignatureAlgorithmIdentifier(HashAlgorithmName.SHA256);
}
