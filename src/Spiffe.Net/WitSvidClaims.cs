using System.Diagnostics.CodeAnalysis;
using System.Text.Json;

namespace Spiffe.Net;

/// <summary>The claims of a WIT-SVID that carry meaning here; others are ignored (WIT-SVID §3).</summary>
internal sealed record WitSvidClaims(
    SpiffeId Subject,
    ProofKey ProofKey,
    DateTimeOffset ExpiresAt,
    DateTimeOffset? NotBefore,
    DateTimeOffset? IssuedAt,
    string? TokenId,
    string? Issuer)
{
    public static bool TryRead(
        ReadOnlyMemory<byte> json, [NotNullWhen(true)] out WitSvidClaims? claims, [NotNullWhen(false)] out string? problem)
    {
        claims = null;
        if (!StrictJson.TryParseObject(json, out var document))
        {
            problem = "the token's claims are not a JSON object of Unicode text, or a claim is there twice";
            return false;
        }

        using (document)
        {
            return TryRead(document.RootElement, out claims, out problem);
        }
    }

    private static bool TryRead(JsonElement root, [NotNullWhen(true)] out WitSvidClaims? claims, [NotNullWhen(false)] out string? problem)
    {
        claims = null;
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

        // §3.8: a WIT-SVID is for everybody; the audience belongs into the proof.
        if (root.TryGetProperty("aud", out _))
        {
            problem = "the token has an aud, which a WIT-SVID must not have; is it a JWT-SVID?";
            return false;
        }

        if (!root.TryGetProperty("cnf", out var confirmation) || confirmation.ValueKind is not JsonValueKind.Object
            || !confirmation.TryGetProperty("jwk", out var jwk) || jwk.ValueKind is not JsonValueKind.Object)
        {
            problem = "the token's cnf is missing or holds no jwk, so that nobody could prove that it is theirs";
            return false;
        }

        if (!ProofKey.TryRead(jwk, out var proofKey, out flaw))
        {
            problem = $"the token's cnf.jwk: {flaw}";
            return false;
        }

        if (!StrictJson.TryGetNumericDate(root, "exp", out var expiresAt) || expiresAt is null)
        {
            problem = "the token's exp is missing or not a number of seconds";
            return false;
        }

        if (!StrictJson.TryGetNumericDate(root, "nbf", out var notBefore) || !StrictJson.TryGetNumericDate(root, "iat", out var issuedAt))
        {
            problem = "the token's nbf or iat is not a number of seconds";
            return false;
        }

        if (!StrictJson.TryGetOptionalString(root, "jti", out var tokenId) || !StrictJson.TryGetOptionalString(root, "iss", out var issuer))
        {
            problem = "the token's jti or iss is not a string";
            return false;
        }

        claims = new WitSvidClaims(subject, proofKey, expiresAt.Value, notBefore, issuedAt, tokenId, issuer);
        problem = null;
        return true;
    }
}
