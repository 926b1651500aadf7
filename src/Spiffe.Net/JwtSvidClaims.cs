using System.Diagnostics.CodeAnalysis;
using System.Text.Json;

namespace Spiffe.Net;

/// <summary>The claims of a JWT-SVID that carry meaning here (JWT-SVID §3).</summary>
internal sealed record JwtSvidClaims(
    SpiffeId Subject,
    IReadOnlyList<string> Audience,
    DateTimeOffset ExpiresAt,
    DateTimeOffset? IssuedAt,
    DateTimeOffset? NotBefore,
    string? TokenId)
{
    public static bool TryRead(
        ReadOnlyMemory<byte> json, [NotNullWhen(true)] out JwtSvidClaims? claims, [NotNullWhen(false)] out string? problem)
    {
        claims = null;
        if (!StrictJson.TryParseObject(json, out var document))
        {
            problem = "the token's claims are not a JSON object of Unicode text, or a claim is there twice";
            return false;
        }

        using (document)
        {
            var root = document.RootElement;
            if (!SpiffeId.TryParse(StrictJson.GetString(root, "sub"), out var subject, out var flaw))
            {
                problem = $"the token's sub is not a SPIFFE ID: {flaw}";
                return false;
            }

            if (!subject.HasPath)
            {
                problem = $"the token's sub {Quoted.From(subject.ToString())} names a trust domain, not a workload";
                return false;
            }

            if (!TryReadAudience(root, out var audience))
            {
                problem = "the token's aud is missing, empty, or neither a string nor an array of strings";
                return false;
            }

            if (!StrictJson.TryGetNumericDate(root, "exp", out var expiresAt) || expiresAt is null)
            {
                problem = "the token's exp is missing or not a number of seconds";
                return false;
            }

            if (!StrictJson.TryGetNumericDate(root, "iat", out var issuedAt) || !StrictJson.TryGetNumericDate(root, "nbf", out var notBefore))
            {
                problem = "the token's iat or nbf is not a number of seconds";
                return false;
            }

            // RFC 7519 §4.1.1, §4.1.7.
            if (!StrictJson.TryGetOptionalString(root, "jti", out var tokenId) || !StrictJson.TryGetOptionalString(root, "iss", out _))
            {
                problem = "the token's jti or iss is not a string";
                return false;
            }

            claims = new JwtSvidClaims(subject, audience, expiresAt.Value, issuedAt, notBefore, tokenId);
            problem = null;
            return true;
        }
    }

    // RFC 7519 §4.1.3: one string, or an array of them.
    private static bool TryReadAudience(JsonElement claims, [NotNullWhen(true)] out IReadOnlyList<string>? audience)
    {
        audience = null;
        if (!claims.TryGetProperty("aud", out var aud)) return false;
        JsonElement[] values = aud.ValueKind is JsonValueKind.Array ? [.. aud.EnumerateArray()] : [aud];
        if (values.Length == 0 || values.Any(value => value.ValueKind is not JsonValueKind.String || value.GetString() is "")) return false;
        audience = [.. values.Select(value => value.GetString()!)];
        return true;
    }
}
