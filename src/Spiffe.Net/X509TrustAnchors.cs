namespace Spiffe.Net;

/// <summary>
/// The X.509 authorities of one bundle, read once, and the intermediates that were found to be signed by them: a trust domain has few, every peer sends the same
/// ones, and verifying one anew costs its signature and the import of its key. Only what stood in a whole valid path is kept, so a stranger cannot fill the memory.
/// </summary>
internal sealed class X509TrustAnchors
{
    public const int MaxKnownIntermediates = 32;

    private readonly SigningCertificate[] _anchors;
    private SigningCertificate[] _known = [];

    /// <param name="authorities">DER certificates that <see cref="CertificateFields"/> reads; others are left out.</param>
    public X509TrustAnchors(IEnumerable<ReadOnlyMemory<byte>> authorities)
    {
        List<SigningCertificate> anchors = [];
        foreach (var der in authorities)
        {
            if (SigningCertificate.TryRead(der, out var anchor, out _)) anchors.Add(anchor);
        }

        _anchors = [.. anchors];
    }

    public ReadOnlySpan<SigningCertificate> All => _anchors;

    public int KnownIntermediates => Volatile.Read(ref _known).Length;

    /// <summary>The intermediate with exactly these bytes, when it was in a valid path before. Its validity and its place in a path are judged each time.</summary>
    public SigningCertificate? FindKnown(ReadOnlySpan<byte> encoded)
    {
        foreach (var certificate in Volatile.Read(ref _known))
        {
            if (certificate.Encoded.Span.SequenceEqual(encoded)) return certificate;
        }

        return null;
    }

    /// <summary>The oldest one makes room. Two at once may lose one of theirs: it is verified again, no more.</summary>
    public void Remember(SigningCertificate intermediate)
    {
        var known = Volatile.Read(ref _known);
        if (FindKnown(intermediate.Encoded.Span) is not null) return;
        var kept = known.Length == MaxKnownIntermediates ? known.AsSpan(1) : known;
        Interlocked.CompareExchange(ref _known, [.. kept, intermediate], known);
    }
}
