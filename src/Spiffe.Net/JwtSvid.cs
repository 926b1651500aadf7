using System.Diagnostics.CodeAnalysis;

namespace Spiffe.Net;

/// <summary>A JWT-SVID taken apart. Only <see cref="JwtSvidVerifier"/> says whether to believe it. Not a record: printing one must not print the token.</summary>
public sealed class JwtSvid
{
    /// <summary>Characters of the compact form; a real token has about 500.</summary>
    public const int MaxTokenLength = 8 * 1024;

    private readonly CompactJws _jws;

    private JwtSvid(string token, JwtSvidHeader header, JwtSvidClaims claims, CompactJws jws)
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

    /// <summary>The compact form: a bearer secret until it expires.</summary>
    public string Token { get; }

    /// <summary>The <c>sub</c> (JWT-SVID §3.1); always with a path.</summary>
    public SpiffeId Id { get; }

    /// <summary>The <c>aud</c>, as array also where the token has one string; at least one (§3.2).</summary>
    public IReadOnlyList<string> Audience { get; }

    /// <summary>The <c>exp</c> (§3.3): from this moment on the token is not accepted, leeway aside.</summary>
    public DateTimeOffset ExpiresAt { get; }

    /// <summary>The <c>iat</c>; null when the issuer gave none.</summary>
    public DateTimeOffset? IssuedAt { get; }

    /// <summary>The <c>nbf</c>; null when the issuer gave none.</summary>
    public DateTimeOffset? NotBefore { get; }

    /// <summary>The <c>jti</c>; null when the issuer gave none.</summary>
    public string? TokenId { get; }

    /// <summary>The <c>kid</c> of the key that signed it (§2.2); tokens without one are refused.</summary>
    public string KeyId { get; }

    /// <summary>The JWS name of the algorithm it is signed with, one of the nine of §2.1.</summary>
    public string Algorithm => JwsAlgorithm.Name;

    /// <summary>All claims as a UTF-8 JSON object without duplicate members.</summary>
    public ReadOnlyMemory<byte> ClaimsJson => _jws.Payload;

    internal JwsAlgorithm JwsAlgorithm { get; }

    internal ReadOnlySpan<byte> SigningInput => _jws.SigningInput;

    internal ReadOnlySpan<byte> Signature => _jws.Signature;

    /// <summary>Takes a token apart without checking its signature, audience or time. For an agent's own tokens and for diagnostics.</summary>
    public static bool TryParseUnverified(
        string? token, [NotNullWhen(true)] out JwtSvid? svid, [NotNullWhen(false)] out string? problem)
    {
        svid = null;
        if (!CompactJws.TryRead(token, MaxTokenLength, out var jws, out problem)) return false;
        if (!JwtSvidHeader.TryRead(jws.Header, out var header, out problem)) return false;
        if (!JwtSvidClaims.TryRead(jws.Payload, out var claims, out problem)) return false;
        svid = new JwtSvid(token!, header, claims, jws);
        return true;
    }

    /// <summary>Names the workload, not the token.</summary>
    public override string ToString() => $"JWT-SVID of {Id}";
}
