using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Spiffe.Net;

/// <summary>What to trust for one trust domain: its X.509, JWT and WIT authorities. Immutable; an empty bundle trusts nothing.</summary>
public sealed class TrustBundle
{
    /// <summary>Keys of each kind; more is a mistake or an attack.</summary>
    public const int MaxAuthorities = 256;

    private readonly X509Certificate2[] _x509Authorities;
    private readonly JwtAuthority[] _jwtAuthorities;
    private readonly WitAuthority[] _witAuthorities;

    private TrustBundle(
        TrustDomain trustDomain,
        X509Certificate2[] x509Authorities,
        JwtAuthority[] jwtAuthorities,
        WitAuthority[] witAuthorities,
        ulong? sequenceNumber,
        TimeSpan? refreshHint)
    {
        TrustDomain = trustDomain;
        _x509Authorities = x509Authorities;
        X509Anchors = new X509TrustAnchors(x509Authorities.Select(authority => authority.RawDataMemory));
        _jwtAuthorities = jwtAuthorities;
        _witAuthorities = witAuthorities;
        SequenceNumber = sequenceNumber;
        RefreshHint = refreshHint;
    }

    /// <summary>Whose bundle it is. The document itself does not say (Trust Domain and Bundle §4): who hands it over does.</summary>
    public TrustDomain TrustDomain { get; }

    /// <summary>Shared and read-only: do not dispose them.</summary>
    public IReadOnlyList<X509Certificate2> X509Authorities => _x509Authorities;

    /// <summary>In the order of the document; empty when nothing verifies JWT-SVIDs of the trust domain.</summary>
    public IReadOnlyList<JwtAuthority> JwtAuthorities => _jwtAuthorities;

    /// <summary>Empty unless the trust domain issues WIT-SVIDs, which are Incubating.</summary>
    [Experimental(Incubating.Wit)]
    public IReadOnlyList<WitAuthority> WitAuthorities => _witAuthorities;

    /// <summary>Changes with every change of content; null when the source gave none.</summary>
    public ulong? SequenceNumber { get; }

    /// <summary>How often to ask for a newer bundle; null leaves it to the reader (the specification suggests five minutes).</summary>
    public TimeSpan? RefreshHint { get; }

    /// <summary>A bundle without WIT authorities.</summary>
    public static bool TryCreate(
        TrustDomain trustDomain,
        IReadOnlyList<ReadOnlyMemory<byte>> x509Authorities,
        IReadOnlyList<JwtAuthority> jwtAuthorities,
        ulong? sequenceNumber,
        TimeSpan? refreshHint,
        [NotNullWhen(true)] out TrustBundle? bundle,
        [NotNullWhen(false)] out string? problem) =>
        TryCreate(trustDomain, x509Authorities, jwtAuthorities, [], sequenceNumber, refreshHint, out bundle, out problem);

    /// <summary>Refuses more than <see cref="MaxAuthorities"/> keys of one kind, a certificate that is no X.509 certificate, and a key ID used twice.</summary>
    /// <param name="x509Authorities">Certificates, DER.</param>
    [Experimental(Incubating.Wit)]
    public static bool TryCreate(
        TrustDomain trustDomain,
        IReadOnlyList<ReadOnlyMemory<byte>> x509Authorities,
        IReadOnlyList<JwtAuthority> jwtAuthorities,
        IReadOnlyList<WitAuthority> witAuthorities,
        ulong? sequenceNumber,
        TimeSpan? refreshHint,
        [NotNullWhen(true)] out TrustBundle? bundle,
        [NotNullWhen(false)] out string? problem)
    {
        bundle = null;
        if (x509Authorities.Count > MaxAuthorities || jwtAuthorities.Count > MaxAuthorities || witAuthorities.Count > MaxAuthorities)
        {
            problem = $"the bundle of {trustDomain} has more than {MaxAuthorities} keys of one kind";
            return false;
        }

        // WIT-SVID §6.1: a kid is unique over the whole bundle, so that a token of one kind never finds a key of the other.
        var names = new HashSet<string>(StringComparer.Ordinal);
        if (jwtAuthorities.Select(a => a.KeyId).Concat(witAuthorities.Select(a => a.KeyId)).FirstOrDefault(keyId => !names.Add(keyId)) is { } twice)
        {
            problem = $"the bundle of {trustDomain} has two JWT or WIT keys with the key ID {Quoted.From(twice)}";
            return false;
        }

        var certificates = new List<X509Certificate2>();
        foreach (var der in x509Authorities)
        {
            if (!CertificateFields.TryRead(der, out _, out var flaw) || !TryLoad(der, out var certificate, out flaw))
            {
                problem = $"X.509 authority {certificates.Count + 1} of {trustDomain}: {flaw}";
                return false;
            }

            certificates.Add(certificate);
        }

        bundle = new TrustBundle(trustDomain, [.. certificates], [.. jwtAuthorities], [.. witAuthorities], sequenceNumber, refreshHint);
        problem = null;
        return true;
    }

    /// <summary>Reads a SPIFFE bundle document (JWKS with <c>use</c>); keys of unknown kind are left out, malformed ones refuse the whole.</summary>
    public static bool TryParse(
        TrustDomain trustDomain, ReadOnlyMemory<byte> json, [NotNullWhen(true)] out TrustBundle? bundle, [NotNullWhen(false)] out string? problem) =>
        TrustBundleJson.TryRead(trustDomain, json, TrustBundleJson.Use.Required, out bundle, out problem);

    /// <summary>Reads a JWT bundle of the Workload API; SPIRE leaves <c>use</c> out there, so it may be absent. X.509 keys are left out.</summary>
    public static bool TryParseJwt(
        TrustDomain trustDomain, ReadOnlyMemory<byte> json, [NotNullWhen(true)] out TrustBundle? bundle, [NotNullWhen(false)] out string? problem) =>
        TrustBundleJson.TryRead(trustDomain, json, TrustBundleJson.Use.JwtOnly, out bundle, out problem);

    /// <summary>Reads a WIT bundle of the Workload API (§7.2.2): as <see cref="TryParseJwt"/>, for WIT keys.</summary>
    [Experimental(Incubating.Wit)]
    public static bool TryParseWit(
        TrustDomain trustDomain, ReadOnlyMemory<byte> json, [NotNullWhen(true)] out TrustBundle? bundle, [NotNullWhen(false)] out string? problem) =>
        TrustBundleJson.TryRead(trustDomain, json, TrustBundleJson.Use.WitOnly, out bundle, out problem);

    /// <summary>Reads an X.509 bundle of the Workload API: DER certificates laid end to end.</summary>
    public static bool TryParseX509(
        TrustDomain trustDomain,
        ReadOnlyMemory<byte> concatenatedDer,
        [NotNullWhen(true)] out TrustBundle? bundle,
        [NotNullWhen(false)] out string? problem)
    {
        bundle = null;
        return DerCertificates.TrySplit(concatenatedDer, MaxAuthorities, out var certificates, out problem)
            && TryCreate(trustDomain, certificates, [], null, null, out bundle, out problem);
    }

    /// <summary>Reads PEM blocks named CERTIFICATE; at least one, and no block of another name. Text around them is passed over.</summary>
    public static bool TryParsePem(
        TrustDomain trustDomain, string pem, [NotNullWhen(true)] out TrustBundle? bundle, [NotNullWhen(false)] out string? problem)
    {
        bundle = null;
        return DerCertificates.TryReadPem(pem, MaxAuthorities, out var certificates, out problem)
            && TryCreate(trustDomain, certificates, [], null, null, out bundle, out problem);
    }

    /// <summary>The SPIFFE bundle document, UTF-8.</summary>
    public byte[] ToJson() => TrustBundleJson.Write(this, TrustBundleJson.Use.Required);

    /// <summary>The JWT keys alone as a JWK Set, UTF-8 (Workload API §6.2.2: no keys of other uses).</summary>
    public byte[] ToJwtJson() => TrustBundleJson.Write(this, TrustBundleJson.Use.JwtOnly);

    /// <summary>The WIT keys alone as a JWK Set, UTF-8.</summary>
    [Experimental(Incubating.Wit)]
    public byte[] ToWitJson() => TrustBundleJson.Write(this, TrustBundleJson.Use.WitOnly);

    /// <summary>The X.509 authorities as DER laid end to end.</summary>
    public byte[] ToX509Der() => DerCertificates.Concatenate([.. _x509Authorities.Select(a => a.RawDataMemory)]);

    /// <summary>The X.509 authorities as PEM; JWT and WIT keys are left out.</summary>
    public string ToPem() => string.Concat(_x509Authorities.Select(a => a.ExportCertificatePem() + "\n"));

    /// <summary>True when both trust the same keys in the same order, whatever their sequence numbers and hints say.</summary>
    public bool HasSameAuthorities(TrustBundle other) =>
        TrustDomain == other.TrustDomain
        && _x509Authorities.Length == other._x509Authorities.Length
        && _jwtAuthorities.Length == other._jwtAuthorities.Length
        && _witAuthorities.Length == other._witAuthorities.Length
        && _x509Authorities.Zip(other._x509Authorities).All(pair => pair.First.RawDataMemory.Span.SequenceEqual(pair.Second.RawDataMemory.Span))
        && _jwtAuthorities.Zip(other._jwtAuthorities).All(pair => pair.First.HasSameContent(pair.Second))
        && _witAuthorities.Zip(other._witAuthorities).All(pair => pair.First.HasSameContent(pair.Second));

    /// <summary>The X.509 authorities as path validation uses them, their keys imported on first use.</summary>
    internal X509TrustAnchors X509Anchors { get; }

    internal JwtAuthority? FindJwtAuthority(string keyId) => Array.Find(_jwtAuthorities, authority => authority.KeyId == keyId);

    internal WitAuthority? FindWitAuthority(string keyId) => Array.Find(_witAuthorities, authority => authority.KeyId == keyId);

    private static bool TryLoad(
        ReadOnlyMemory<byte> der, [NotNullWhen(true)] out X509Certificate2? certificate, [NotNullWhen(false)] out string? problem)
    {
        certificate = null;
        try
        {
            certificate = X509CertificateLoader.LoadCertificate(der.Span);
            // A bundle is written with the numbers of each key, so a key that is none must not get in.
            using var ec = certificate.GetECDsaPublicKey();
            using var rsa = certificate.GetRSAPublicKey();
            if (ec is not null || rsa is not null)
            {
                problem = null;
                return true;
            }

            problem = "its public key is neither EC nor RSA";
        }
        catch (CryptographicException)
        {
            problem = "the certificate or its public key cannot be read";
        }

        certificate?.Dispose();
        certificate = null;
        return false;
    }
}
