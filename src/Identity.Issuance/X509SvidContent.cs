namespace Identity.Issuance;

/// <summary>Everything that one certificate of an authority has of its own; the rest is the same in all of them.</summary>
/// <param name="SubjectKeyIdentifier">20 bytes.</param>
/// <param name="NotBefore">Whole seconds.</param>
/// <param name="NotAfter">Whole seconds; the certificate is valid at this very second (RFC 5280 §4.1.2.5).</param>
internal sealed record X509SvidContent(
    X509SvidRequest Request, ReadOnlyMemory<byte> SerialNumber, ReadOnlyMemory<byte> SubjectKeyIdentifier, DateTimeOffset NotBefore, DateTimeOffset NotAfter);
