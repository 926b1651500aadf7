using System.Diagnostics.CodeAnalysis;

namespace Spiffe.Net;

/// <summary>
/// A JWT-SVID taken apart and not verified: anybody may have written what it says. It turns into a <see cref="JwtSvid"/> nowhere but in <see cref="JwtSvidVerifier"/>.
/// Not a record: printing one must not print the token.
/// </summary>
public sealed class UnverifiedJwtSvid
{
    private readonly CompactJws _jws;

    private UnverifiedJwtSvid(string token, JwtSvidHeader header, JwtSvidClaims claims, CompactJws jws)
    {
        Token = token;
        KeyId = header.KeyId;
        JwsAlgorithm = header.Algorithm;
        Id = claims.Subject;
        Audience = claims.Audience;
        ExpiresAt = claims.ExpiresAt;
        IssuedAt = claims.IssuedAt;
        NotBefore = claims.NotBefore;
        TokenId = claims.TokenId;
        _jws = jws;
    }

    /// <summary>The compact form: a bearer secret until it expires, if it is genuine.</summary>
    public string Token { get; }

    /// <summary>The <c>sub</c> it claims (JWT-SVID §3.1); always with a path.</summary>
    public SpiffeId Id { get; }

    /// <summary>The <c>aud</c>, as array also where the token has one string; at least one (§3.2).</summary>
    public IReadOnlyList<string> Audience { get; }

    /// <summary>The <c>exp</c> (§3.3).</summary>
    public DateTimeOffset ExpiresAt { get; }

    /// <summary>The <c>iat</c>; null when there is none.</summary>
    public DateTimeOffset? IssuedAt { get; }

    /// <summary>The <c>nbf</c>; null when there is none.</summary>
    public DateTimeOffset? NotBefore { get; }

    /// <summary>The <c>jti</c>; null when there is none.</summary>
    public string? TokenId { get; }

    /// <summary>The <c>kid</c> of the key that is said to have signed it (§2.2); tokens without one are refused.</summary>
    public string KeyId { get; }

    /// <summary>The JWS name of the algorithm, one of the nine of §2.1.</summary>
    public string Algorithm => JwsAlgorithm.Name;

    /// <summary>All claims as a UTF-8 JSON object without duplicate members.</summary>
    public ReadOnlyMemory<byte> ClaimsJson => _jws.Payload;

    internal JwsAlgorithm JwsAlgorithm { get; }

    internal ReadOnlySpan<byte> SigningInput => _jws.SigningInput;

    internal ReadOnlySpan<byte> Signature => _jws.Signature;

    /// <summary>Names the workload it claims to be of, not the token.</summary>
    public override string ToString() => $"unverified JWT-SVID of {Id}";

    internal static bool TryParse(string? token, [NotNullWhen(true)] out UnverifiedJwtSvid? svid, [NotNullWhen(false)] out string? problem)
    {
        svid = null;
        if (!CompactJws.TryRead(token, JwtSvid.MaxTokenLength, out var jws, out problem)) return false;
        if (!JwtSvidHeader.TryRead(jws.Header, out var header, out problem)) return false;
        if (!JwtSvidClaims.TryRead(jws.Payload, out var claims, out problem)) return false;
        svid = new UnverifiedJwtSvid(token!, header, claims, jws);
        return true;
    }
}
