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

    /// <param name="authorities">In the order of the bundle.</param>
    /// <param name="earlier">
    /// Those of the bundle before this one. What it knows is taken over where the two have an authority in common: each intermediate goes with the key that signed it, and counts for
    /// nothing in a path that does not end at one of <paramref name="authorities"/>.
    /// </param>
    public X509TrustAnchors(IEnumerable<SigningCertificate> authorities, X509TrustAnchors? earlier)
    {
        _anchors = [.. authorities];
        if (earlier is not null && _anchors.Any(earlier._anchors.Contains)) _known = Volatile.Read(ref earlier._known);
    }

    public ReadOnlySpan<SigningCertificate> All => _anchors;

    /// <summary>Where the authority with exactly these bytes is; -1 when it is not among them.</summary>
    public int IndexOf(ReadOnlySpan<byte> encoded)
    {
        for (var i = 0; i < _anchors.Length; i++)
        {
            if (_anchors[i].Encoded.Span.SequenceEqual(encoded)) return i;
        }

        return -1;
    }

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
