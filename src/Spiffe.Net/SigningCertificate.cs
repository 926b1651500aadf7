using System.Diagnostics.CodeAnalysis;

namespace Spiffe.Net;

/// <summary>A certificate that may stand above another one in a path, with its key, which is imported once and kept: an import costs two verifications.</summary>
internal sealed class SigningCertificate
{
    private readonly SubjectPublicKey? _key;

    // The key that the signature on this certificate was verified with; written once it was, so that nobody needs to verify the same bytes again.
    private SubjectPublicKey? _verifiedWith;

    private SigningCertificate(ReadOnlyMemory<byte> encoded, CertificateFields fields)
    {
        Encoded = encoded;
        Fields = fields;
        Problem = SvidProfile.FindAuthorityProblem(fields);
        fields.TryReadPublicKey(out _key, out _);
    }

    public ReadOnlyMemory<byte> Encoded { get; }

    public CertificateFields Fields { get; }

    /// <summary>Why it may sign nothing, whoever trusts it; null when it may.</summary>
    public string? Problem { get; }

    /// <param name="encoded">DER; copied, so that it stays what was checked.</param>
    public static bool TryRead(
        ReadOnlyMemory<byte> encoded, [NotNullWhen(true)] out SigningCertificate? certificate, [NotNullWhen(false)] out string? problem)
    {
        certificate = null;
        if (encoded.Length <= DerCertificates.MaxCertificateLength) encoded = encoded.ToArray();
        if (!CertificateFields.TryRead(encoded, out var fields, out problem)) return false;
        certificate = new SigningCertificate(encoded, fields);
        return true;
    }

    /// <summary>True when this certificate's key made the signature on the other; the name of the issuer is not looked at.</summary>
    public bool HasSigned(CertificateFields other) =>
        _key is not null
        && CertificateSignatureAlgorithm.Find(other.SignatureAlgorithm.Span) is { } algorithm
        && algorithm.Verify(_key, other.SignedPart.Span, other.Signature.Span);

    /// <summary>The same question, answered from memory when it was asked of the same key before.</summary>
    public bool HasSigned(SigningCertificate other)
    {
        if (other._verifiedWith is { } known && _key is not null && known.SubjectPublicKeyInfo.Span.SequenceEqual(_key.SubjectPublicKeyInfo.Span)) return true;
        if (!HasSigned(other.Fields)) return false;
        other._verifiedWith = _key;
        return true;
    }

    public bool HasSameNameAndKey(SigningCertificate other) =>
        Fields.Subject.Span.SequenceEqual(other.Fields.Subject.Span)
        && Fields.SubjectPublicKeyInfo.Span.SequenceEqual(other.Fields.SubjectPublicKeyInfo.Span);

    public void ReleaseKey() => _key?.ReleaseImported();
}
