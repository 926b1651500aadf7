using Spiffe.Net;

namespace Identity.Issuance;

/// <summary>Whether what is about to be signed is a JWT-SVID of our profile (JWT-SVID §2 and §3) that says what was decided.</summary>
internal static class JwtSvidLint
{
    /// <param name="signedPart">What will be signed; the draft's own, but in tests.</param>
    public static string? FindProblem(ReadOnlySpan<byte> signedPart, JwtSvidDraft decided, JwtSigningAuthority authority) =>
        TokenLint.FindProblem(signedPart, JwtSvid.MaxTokenLength, authority.Key, authority.KeyId, "JWT", decided, FindClaimsProblem)
        ?? FindProblem(decided, authority);

    private static string? FindClaimsProblem(ref JsonCursor claims, JwtSvidDraft decided)
    {
        if (!claims.TryReadText("sub"u8, decided.Id.ToString())) return "the draft names another SPIFFE ID";
        if (!claims.TryReadTexts("aud"u8, decided.Audience)) return "the draft is for another audience";
        if (!claims.TryReadNumber("iat"u8, decided.IssuedAt.ToUnixTimeSeconds()) || !claims.TryReadNumber("exp"u8, decided.ExpiresAt.ToUnixTimeSeconds()))
            return "the draft has another lifetime";
        return claims.TryReadText("jti"u8, decided.TokenId) ? null : "the draft has another token ID";
    }

    private static string? FindProblem(JwtSvidDraft decided, JwtSigningAuthority authority)
    {
        if (!decided.Id.HasPath || !decided.Id.IsMemberOf(authority.TrustDomain)) return "the draft's SPIFFE ID is not the authority's to give";
        if (decided.Audience.Count == 0) return "the draft is for nobody";
        return decided.ExpiresAt <= decided.IssuedAt || decided.ExpiresAt > authority.NotAfter ? "the draft ends before it begins, or outlives its authority" : null;
    }
}
