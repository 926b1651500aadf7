using System.Diagnostics.CodeAnalysis;

namespace Spiffe.Net;

/// <summary>A JWT-SVID that <see cref="JwtSvidVerifier"/> found genuine; nobody else makes one. Not a record: printing one must not print the token.</summary>
public sealed class JwtSvid
{
    /// <summary>Characters of the compact form; a real token has about 500.</summary>
    public const int MaxTokenLength = 8 * 1024;

    private readonly UnverifiedJwtSvid _verified;

    /// <param name="verified">Whose signature, audience and times were found good a moment ago.</param>
    internal JwtSvid(UnverifiedJwtSvid verified) => _verified = verified;

    /// <summary>The compact form: a bearer secret until it expires.</summary>
    public string Token => _verified.Token;

    /// <summary>The <c>sub</c> (JWT-SVID §3.1); always with a path.</summary>
    public SpiffeId Id => _verified.Id;

    /// <summary>The <c>aud</c>, as array also where the token has one string; at least one (§3.2).</summary>
    public IReadOnlyList<string> Audience => _verified.Audience;

    /// <summary>The <c>exp</c> (§3.3): from this moment on the token is not accepted, leeway aside.</summary>
    public DateTimeOffset ExpiresAt => _verified.ExpiresAt;

    /// <summary>The <c>iat</c>; null when the issuer gave none.</summary>
    public DateTimeOffset? IssuedAt => _verified.IssuedAt;

    /// <summary>The <c>nbf</c>; null when the issuer gave none.</summary>
    public DateTimeOffset? NotBefore => _verified.NotBefore;

    /// <summary>The <c>jti</c>; null when the issuer gave none.</summary>
    public string? TokenId => _verified.TokenId;

    /// <summary>The <c>kid</c> of the key that signed it (§2.2); tokens without one are refused.</summary>
    public string KeyId => _verified.KeyId;

    /// <summary>The JWS name of the algorithm it is signed with, one of the nine of §2.1.</summary>
    public string Algorithm => _verified.Algorithm;

    /// <summary>All claims as a UTF-8 JSON object without duplicate members.</summary>
    public ReadOnlyMemory<byte> ClaimsJson => _verified.ClaimsJson;

    /// <summary>Takes a token apart without checking its signature, audience or time. For diagnostics.</summary>
    public static bool TryParseUnverified(
        string? token, [NotNullWhen(true)] out UnverifiedJwtSvid? svid, [NotNullWhen(false)] out string? problem) =>
        UnverifiedJwtSvid.TryParse(token, out svid, out problem);

    /// <summary>Names the workload, not the token.</summary>
    public override string ToString() => $"JWT-SVID of {Id}";
}
