using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography.X509Certificates;

namespace Spiffe.Net;

/// <summary>The rules of X509-SVID §§2-5 and of RFC 5280 §4 that one certificate keeps or breaks by itself, without a path, a bundle or a clock.</summary>
internal static class SvidProfile
{
    private const X509KeyUsageFlags AuthorityUsages = X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign;

    /// <summary>Checks everything of a leaf that needs no bundle and no clock, and reads its SPIFFE ID.</summary>
    public static bool TryReadLeafId(
        CertificateFields leaf, [NotNullWhen(true)] out SpiffeId? id, [NotNullWhen(false)] out string? problem)
    {
        id = null;
        problem = FindLeafProblem(leaf);
        if (problem is not null) return false;
        if (leaf.AlternativeNames.Uris is not [var uri])
        {
            // X509-SVID §2: exactly one, so that nobody can disagree about which one counts.
            problem = $"the certificate has {leaf.AlternativeNames.Uris.Count} URI names; an X509-SVID has exactly one";
            return false;
        }

        if (!SpiffeId.TryParse(uri, out id, out problem)) return false;
        if (id.HasPath) return true;
        problem = $"the SPIFFE ID {Quoted.From(uri)} has no path; it names a trust domain, not a workload";
        id = null;
        return false;
    }

    public static string? FindAuthorityProblem(CertificateFields authority)
    {
        if (!authority.IsCertificateAuthority) return "the signing certificate does not have cA=true";
        if (!authority.HasCriticalBasicConstraints) return "the signing certificate's basicConstraints is not critical";
        if (authority.KeyUsage is not { } usage || !usage.HasFlag(X509KeyUsageFlags.KeyCertSign))
            return "the signing certificate does not have the key usage keyCertSign";
        // X509-SVID §2, §5.2: it may have no SPIFFE ID, but not two names that could be one.
        if (authority.AlternativeNames.Uris.Count > 1) return $"the signing certificate has {authority.AlternativeNames.Uris.Count} URI names; expected one at most";
        if (authority.HasEmptySubject) return "the signing certificate has an empty subject, so nothing can name it as issuer";

        // X509-SVID §4.4 leaves the meaning open; many libraries let the purposes of an authority limit those below it, so both are needed here too.
        if (authority.ExtendedKeyUsage is { } purposes && !AllowsBothSides(purposes) && !purposes.Contains(CertificateOids.AnyExtendedKeyUsage))
            return "the signing certificate's extended key usage does not hold both serverAuth and clientAuth";
        return FindCommonProblem(authority);
    }

    private static string? FindLeafProblem(CertificateFields leaf)
    {
        if (leaf.IsCertificateAuthority) return "the certificate has cA=true; a signing certificate never authenticates";
        if (leaf.HasPathLength) return "the certificate has a path length although it is not an authority";
        if (leaf.NameConstraints is not null) return "the certificate has name constraints although it is not an authority";
        if (leaf.KeyUsage is not { } usage) return "the certificate has no key usage";
        if (!leaf.HasCriticalKeyUsage) return "the certificate's key usage is not critical";
        if ((usage & AuthorityUsages) != 0) return "the certificate has the key usage keyCertSign or cRLSign";
        if (!usage.HasFlag(X509KeyUsageFlags.DigitalSignature)) return "the certificate does not have the key usage digitalSignature";
        if (leaf.ExtendedKeyUsage is { } purposes && !AllowsBothSides(purposes))
            return "the certificate's extended key usage does not hold both serverAuth and clientAuth";
        if (leaf.HasEmptySubject && !leaf.HasCriticalSubjectAlternativeName)
            return "the certificate has an empty subject, but its alternative name is not critical";
        return FindCommonProblem(leaf);
    }

    private static string? FindCommonProblem(CertificateFields certificate)
    {
        var serial = certificate.SerialNumber.Span;
        if (serial.Length > 20 || serial[0] >= 0x80 || serial.IndexOfAnyExcept((byte)0) < 0)
            return "the certificate's serial number is not a positive number of at most 20 bytes";
        if (DistinguishedName.IsEmpty(certificate.Issuer.Span)) return "the certificate has an empty issuer";
        if (certificate.Extensions.UnprocessedRestriction is { } oid)
            return $"the certificate has the extension {oid}, which is critical or restricts policies, and is not understood";
        if (!certificate.OuterSignatureAlgorithm.IsEmpty
            && !certificate.OuterSignatureAlgorithm.Span.SequenceEqual(certificate.SignatureAlgorithm.Span))
            return "the certificate names two different signature algorithms";
        if (CertificateSignatureAlgorithm.Find(certificate.SignatureAlgorithm.Span) is null)
            return "the certificate's signature algorithm is not allowed; expected ECDSA or RSA with SHA-256, SHA-384 or SHA-512";
        return certificate.TryReadPublicKey(out _, out var problem) ? null : problem;
    }

    private static bool AllowsBothSides(IReadOnlyList<string> purposes) =>
        purposes.Contains(CertificateOids.ServerAuthentication) && purposes.Contains(CertificateOids.ClientAuthentication);
}
