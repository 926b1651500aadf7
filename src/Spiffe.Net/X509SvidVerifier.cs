using System.Security.Cryptography.X509Certificates;

namespace Spiffe.Net;

/// <summary>
/// Decides whether a certificate chain is a genuine X509-SVID (X509-SVID §5): the leaf's profile, the bundle of its trust domain, and RFC 5280 §6 path
/// validation by our own search, <see cref="X509Chain"/> being neither strict nor quick enough. Never touches the network, and checks no revocation: SVIDs are
/// short-lived. All members may be called by many threads at once.
/// </summary>
public static class X509SvidVerifier
{
    /// <summary>Certificates from leaf to root, the root included; also how many a peer may send.</summary>
    public const int MaxChainLength = 8;

    /// <summary>Bytes of all that a peer sends; one certificate may have <see cref="DerCertificates.MaxCertificateLength"/>.</summary>
    public const int MaxChainBytes = 64 * 1024;

    /// <param name="chain">
    /// DER certificates as the peer sent them, leaf first; the others in any order (RFC 8446 §4.4.2), the root among them or not. One that is not strict DER refuses the
    /// chain even when no path needs it.
    /// </param>
    /// <param name="bundles">Whom to trust; only the bundle of the leaf's own trust domain is looked at.</param>
    /// <param name="now">When every certificate of the path must be valid, first and last second included (RFC 5280 §4.1.2.5).</param>
    public static X509SvidVerification Verify(IReadOnlyList<ReadOnlyMemory<byte>> chain, TrustBundleSet bundles, DateTimeOffset now)
    {
        if (chain.Count is 0) return Refused("the peer sent no certificate");
        if (chain.Count > MaxChainLength) return Refused($"the chain has {chain.Count} certificates; at most {MaxChainLength} are allowed");
        if (chain.Sum(certificate => (long)certificate.Length) is > MaxChainBytes and var bytes)
            return Refused($"the chain has {bytes} bytes; at most {MaxChainBytes} are allowed");

        // 1. The leaf must be an SVID by its own words, before any signature is worth checking.
        if (!CertificateFields.TryRead(chain[0], out var leaf, out var problem)) return Refused(problem);
        if (!SvidProfile.TryReadLeafId(leaf, out var id, out problem)) return Refused(problem);
        if (now < leaf.NotBefore) return Refused($"the certificate of {id} is not valid before {leaf.NotBefore:O}");
        if (now > leaf.NotAfter) return Refused($"the certificate of {id} expired at {leaf.NotAfter:O}");

        // 2. The bundle is chosen by the SVID's trust domain, never by what else happens to be trusted.
        if (!bundles.TryGet(id.TrustDomain, out var bundle)) return Refused($"there is no trust bundle for the trust domain {id.TrustDomain}");
        if (bundle.X509Authorities.Count == 0) return Refused($"the trust bundle of {id.TrustDomain} has no X.509 authority");

        // 3. A path of good signatures to an authority of that bundle.
        return VerifyPath(id, leaf, chain, bundle.X509Anchors, now);
    }

    /// <summary>For TLS callbacks, which hold the leaf and what came with it.</summary>
    /// <param name="sentWithIt">In any order; a copy of the leaf among them, which some platforms put there, is left out.</param>
    public static X509SvidVerification Verify(
        X509Certificate2 leaf, IEnumerable<X509Certificate2> sentWithIt, TrustBundleSet bundles, DateTimeOffset now)
    {
        var own = leaf.RawDataMemory;
        var others = sentWithIt.Select(certificate => certificate.RawDataMemory).Where(der => !der.Span.SequenceEqual(own.Span)).Take(MaxChainLength);
        return Verify([own, .. others], bundles, now);
    }

    private static X509SvidVerification VerifyPath(
        SpiffeId id, CertificateFields leaf, IReadOnlyList<ReadOnlyMemory<byte>> chain, X509TrustAnchors anchors, DateTimeOffset now)
    {
        List<SigningCertificate> sent = [], unknown = [];
        try
        {
            foreach (var der in chain.Skip(1))
            {
                var certificate = anchors.FindKnown(der.Span);
                if (certificate is null)
                {
                    if (!SigningCertificate.TryRead(der, out certificate, out var problem)) return Refused(problem);
                    unknown.Add(certificate);
                }

                sent.Add(certificate);
            }

            var search = new X509PathSearch(anchors, sent, now);
            if (search.FindProblem(leaf) is { } pathProblem) return Refused($"{id}: {pathProblem}");
            foreach (var intermediate in search.Path.SkipLast(1))
            {
                if (unknown.Remove(intermediate)) anchors.Remember(intermediate);
            }

            var trustedUntil = search.Path.Min(authority => authority.Fields.NotAfter);
            return new X509SvidVerification.Verified(
                id, Convert.ToHexString(leaf.SerialNumber.Span), leaf.NotAfter, trustedUntil < leaf.NotAfter ? trustedUntil : leaf.NotAfter);
        }
        finally
        {
            foreach (var certificate in unknown) certificate.ReleaseKey();
        }
    }

    private static X509SvidVerification.Refused Refused(string reason) => new(reason);
}
