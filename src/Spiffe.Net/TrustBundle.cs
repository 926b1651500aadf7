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
        X509TrustAnchors x509Anchors,
        JwtAuthority[] jwtAuthorities,
        WitAuthority[] witAuthorities,
        ulong? sequenceNumber,
        TimeSpan? refreshHint)
    {
        TrustDomain = trustDomain;
        _x509Authorities = x509Authorities;
        X509Anchors = x509Anchors;
        _jwtAuthorities = jwtAuthorities;
        _witAuthorities = witAuthorities;
        SequenceNumber = sequenceNumber;
        RefreshHint = refreshHint;
    }

    /// <summary>Whose bundle it is. The document itself does not say (Trust Domain and Bundle §4): who hands it over does.</summary>
    public TrustDomain TrustDomain { get; }

    /// <summary>Those with a key of a kind we know. Shared and read-only: do not dispose them.</summary>
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

    /// <summary>Refuses more than <see cref="MaxAuthorities"/> keys of one kind, a certificate that is no X.509 certificate or whose key is none, and a key ID used twice.</summary>
    /// <param name="x509Authorities">
    /// Certificates, DER. One whose key is of an algorithm or on a curve that is unknown here is left out, as such a key of a JWK Set is (Trust Domain and Bundle §4.1.3): it
    /// verifies nothing for us, and others may be moving to it. When no other is there, the bundle is refused.
    /// </param>
    [Experimental(Incubating.Wit)]
    public static bool TryCreate(
        TrustDomain trustDomain,
        IReadOnlyList<ReadOnlyMemory<byte>> x509Authorities,
        IReadOnlyList<JwtAuthority> jwtAuthorities,
        IReadOnlyList<WitAuthority> witAuthorities,
        ulong? sequenceNumber,
        TimeSpan? refreshHint,
        [NotNullWhen(true)] out TrustBundle? bundle,
        [NotNullWhen(false)] out string? problem) =>
        TryCreate(
            trustDomain, x509Authorities, jwtAuthorities, witAuthorities, sequenceNumber, refreshHint, earlier: null, mayUseNone: false, out bundle, out problem);

    /// <param name="earlier">The bundle of the same trust domain before this one: what both have is taken over from it, with what was learnt of it.</param>
    /// <param name="mayUseNone">False refuses certificates of which none can be used.</param>
    internal static bool TryCreate(
        TrustDomain trustDomain,
        IReadOnlyList<ReadOnlyMemory<byte>> x509Authorities,
        IReadOnlyList<JwtAuthority> jwtAuthorities,
        IReadOnlyList<WitAuthority> witAuthorities,
        ulong? sequenceNumber,
        TimeSpan? refreshHint,
        TrustBundle? earlier,
        bool mayUseNone,
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
        var anchors = new List<SigningCertificate>();
        for (var i = 0; i < x509Authorities.Count; i++)
        {
            var der = x509Authorities[i];
            if (earlier?.X509Anchors.IndexOf(der.Span) is { } same and >= 0)
            {
                certificates.Add(earlier._x509Authorities[same]);
                anchors.Add(earlier.X509Anchors.All[same]);
                continue;
            }

            if (!SigningCertificate.TryRead(der, out var anchor, out var flaw)) return Refuse(i, flaw, out problem);
            if (SubjectPublicKey.FindAnnouncedKind(anchor.Fields.SubjectPublicKeyInfo) is PublicKeyKind.Unsupported) continue;
            if (!TryLoad(der, out var certificate, out flaw)) return Refuse(i, flaw, out problem);
            certificates.Add(certificate);
            anchors.Add(anchor);
        }

        if (certificates.Count == 0 && x509Authorities.Count > 0 && !mayUseNone)
        {
            problem = $"none of the {x509Authorities.Count} X.509 authorities of {trustDomain} has a key of a known kind; expected RSA, or EC on P-256, P-384 or P-521";
            return false;
        }

        bundle = new TrustBundle(
            trustDomain, [.. certificates], new X509TrustAnchors(anchors, earlier?.X509Anchors), [.. jwtAuthorities], [.. witAuthorities], sequenceNumber, refreshHint);
        problem = null;
        return true;

        bool Refuse(int position, string flaw, out string because)
        {
            because = $"X.509 authority {position + 1} of {trustDomain}: {flaw}";
            return false;
        }
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

    /// <summary>Reads an X.509 bundle of the Workload API: DER certificates laid end to end. Those with a key of unknown kind are left out, unless there is no other.</summary>
    public static bool TryParseX509(
        TrustDomain trustDomain,
        ReadOnlyMemory<byte> concatenatedDer,
        [NotNullWhen(true)] out TrustBundle? bundle,
        [NotNullWhen(false)] out string? problem) =>
        TryParseX509(trustDomain, concatenatedDer, earlier: null, out bundle, out problem);

    /// <summary>
    /// As the other overload, for who is told the same thing again and again. Authorities that are in <paramref name="earlier"/> too are taken from there with their prepared keys,
    /// and with the intermediates already verified; when they all are the same, so is the bundle.
    /// </summary>
    /// <param name="earlier">What was read before, of the same trust domain; null when there is nothing.</param>
    /// <exception cref="ArgumentException"><paramref name="earlier"/> is of another trust domain.</exception>
    public static bool TryParseX509(
        TrustDomain trustDomain,
        ReadOnlyMemory<byte> concatenatedDer,
        TrustBundle? earlier,
        [NotNullWhen(true)] out TrustBundle? bundle,
        [NotNullWhen(false)] out string? problem)
    {
        if (earlier is not null && earlier.TrustDomain != trustDomain)
            throw new ArgumentException($"the earlier bundle is of {earlier.TrustDomain}, not of {trustDomain}", nameof(earlier));
        bundle = null;
        if (!DerCertificates.TrySplit(concatenatedDer, MaxAuthorities, out var certificates, out problem)
            || !TryCreate(trustDomain, certificates, [], [], null, null, earlier, mayUseNone: false, out bundle, out problem))
        {
            return false;
        }

        if (earlier is { SequenceNumber: null, RefreshHint: null } && earlier.HasSameAuthorities(bundle)) bundle = earlier;
        return true;
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

            problem = "its public key cannot be read";
        }
        catch (Exception e) when (e is CryptographicException or NotSupportedException)
        {
            problem = "the certificate or its public key cannot be read";
        }

        certificate?.Dispose();
        certificate = null;
        return false;
    }
}
