using Spiffe.Net;

namespace Identity.Issuance;

/// <summary>Reads back what is about to be signed: it must pass as an SVID and say what was decided, no more and no less.</summary>
internal static class X509SvidLint
{
    // basicConstraints, keyUsage, extKeyUsage, subject and authority key identifier, subjectAltName.
    private const int Extensions = 6;

    public static string? FindProblem(
        ReadOnlyMemory<byte> signedPart,
        X509SvidRequest request,
        X509Authority authority,
        ReadOnlySpan<byte> serialNumber,
        DateTimeOffset notBefore,
        DateTimeOffset notAfter)
    {
        if (!CertificateFields.TryReadSignedPart(signedPart, out var draft, out var problem)) return problem;
        if (!SvidProfile.TryReadLeafId(draft, out var id, out problem)) return problem;
        if (id != request.Id) return "the draft names another SPIFFE ID";
        if (!draft.SerialNumber.Span.SequenceEqual(serialNumber)) return "the draft has another serial number";
        if (!draft.SignatureAlgorithm.Span.SequenceEqual(authority.Key.Algorithm.AlgorithmIdentifier.Span)) return "the draft names another signature algorithm";
        if (!draft.Issuer.Span.SequenceEqual(authority.SubjectName.Span)) return "the draft names another issuer";
        if (!draft.AuthorityKeyIdentifier.Span.SequenceEqual(authority.KeyIdentifier.Span)) return "the draft names another issuer key";
        if (draft.NotBefore != notBefore || draft.NotAfter != notAfter) return "the draft has another lifetime";
        if (draft.NotBefore < authority.NotBefore || draft.NotAfter > authority.NotAfter) return "the draft outlives its authority";
        if (!draft.HasEmptySubject) return "the draft has a subject";
        if (!draft.SubjectPublicKeyInfo.Span.SequenceEqual(request.PublicKey.SubjectPublicKeyInfo.Span)) return "the draft has another public key";
        if (draft.SubjectKeyIdentifier.Length != 20) return "the draft has no subject key identifier";
        if (!draft.HasBasicConstraints || !draft.HasCriticalBasicConstraints || draft.ExtendedKeyUsage is not { Count: 2 }) return "the draft lacks an extension";
        if (draft.ExtensionCount != Extensions) return $"the draft has {draft.ExtensionCount} extensions instead of {Extensions}";
        return draft.AlternativeNames is { OtherNames: 0 } names
            && names.DnsNames.SequenceEqual(request.DnsNames, StringComparer.Ordinal)
            && names.IpAddresses.SequenceEqual(request.IpAddresses)
            ? null
            : "the draft has other names";
    }
}
