namespace Spiffe.Net;

/// <summary>Decides whether a token is a genuine JWT-SVID for one audience.</summary>
public static class JwtSvidVerifier
{
    /// <summary>The most that clocks may differ; a caller asking for more is a bug.</summary>
    public static readonly TimeSpan MaxLeeway = TimeSpan.FromSeconds(60);

    /// <summary>Ten seconds, when the caller names none.</summary>
    public static readonly TimeSpan DefaultLeeway = TimeSpan.FromSeconds(10);

    /// <summary>Parses, then asks for audience, times, the bundle of the token's own trust domain and the signature, in this order (JWT-SVID §4).</summary>
    /// <param name="token">The compact form, as received.</param>
    /// <param name="bundles">Whom to trust; only the bundle of the <c>sub</c>'s trust domain is looked at.</param>
    /// <param name="now">The moment to judge for.</param>
    /// <param name="audience">Our own name; one of the token's audiences must equal it.</param>
    /// <param name="leeway">How far our clock and the issuer's may differ, for <c>exp</c>, <c>nbf</c> and <c>iat</c>; null means <see cref="DefaultLeeway"/>, at most <see cref="MaxLeeway"/>.</param>
    /// <exception cref="ArgumentException">The audience is empty, or the leeway negative or too long.</exception>
    public static JwtSvidVerification Verify(
        string token, string audience, TrustBundleSet bundles, DateTimeOffset now, TimeSpan? leeway = null)
    {
        var tolerance = leeway ?? DefaultLeeway;
        ArgumentOutOfRangeException.ThrowIfLessThan(tolerance, TimeSpan.Zero, nameof(leeway));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(tolerance, MaxLeeway, nameof(leeway));
        ArgumentException.ThrowIfNullOrEmpty(audience);

        // Parsing has already refused every algorithm outside JWT-SVID §2.1 and every missing claim.
        if (!UnverifiedJwtSvid.TryParse(token, out var svid, out var problem)) return Refused(problem);
        if (!svid.Audience.Contains(audience, StringComparer.Ordinal)) return Refused($"the token of {svid.Id} is not meant for {Quoted.From(audience)}");

        // RFC 7519 §4.1.4: on or after its exp a token is not accepted. Whatever is added is added to our own time: the token's may be the last there is.
        if (now - tolerance >= svid.ExpiresAt) return Refused($"the token of {svid.Id} expired at {svid.ExpiresAt:O}");
        if (svid.NotBefore is { } notBefore && now + tolerance < notBefore) return Refused($"the token of {svid.Id} is not valid before {notBefore:O}");
        if (svid.IssuedAt is { } issuedAt && now + tolerance < issuedAt) return Refused($"the token of {svid.Id} says it was issued at {issuedAt:O}, in the future");

        if (!bundles.TryGet(svid.Id.TrustDomain, out var bundle)) return Refused($"there is no trust bundle for the trust domain {svid.Id.TrustDomain}");
        if (bundle.FindJwtAuthority(svid.KeyId) is not { } authority)
            return Refused($"the trust bundle of {svid.Id.TrustDomain} has no JWT key {Quoted.From(svid.KeyId)}");

        // RFC 8725 §3.1: the key decides which algorithm may be used with it, not the token.
        if (authority.Kind != svid.JwsAlgorithm.Kind) return Refused($"the token's algorithm {svid.Algorithm} does not fit its key, which is {authority.Kind}");
        return authority.Verify(svid.JwsAlgorithm, svid.SigningInput, svid.Signature)
            ? new JwtSvidVerification.Verified(new JwtSvid(svid))
            : Refused($"the signature of the token of {svid.Id} is wrong");
    }

    private static JwtSvidVerification.Refused Refused(string reason) => new(reason);
}
