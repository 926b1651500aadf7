using System.Buffers.Text;
using Spiffe.Net;

namespace Identity.Issuance;

/// <summary>Whether what is about to be signed is a WIT-SVID of our profile (WIT-SVID §2 and §3) that says what was decided.</summary>
internal static class WitSvidLint
{
    /// <param name="signedPart">What will be signed; the draft's own, but in tests.</param>
    public static string? FindProblem(ReadOnlySpan<byte> signedPart, WitSvidDraft decided, WitSigningAuthority authority) =>
        TokenLint.FindProblem(signedPart, WitSvid.MaxTokenLength, authority.Key, authority.KeyId, WitSvidHeader.Type, decided, FindClaimsProblem)
        ?? FindProblem(decided, authority);

    private static string? FindClaimsProblem(ref JsonCursor claims, WitSvidDraft decided)
    {
        if (!claims.TryReadText("sub"u8, decided.Id.ToString())) return "the draft names another SPIFFE ID";
        if (!claims.TryOpen("cnf"u8) || !claims.TryOpen("jwk"u8) || !HoldsKey(ref claims, decided.ProofKey.PublicKey)) return "the draft is bound to another key";
        if (!claims.TryReadText("alg"u8, decided.ProofKey.Algorithm)) return "the draft is bound to another algorithm";
        if (!claims.TryClose() || !claims.TryClose()) return "the draft's key has more members than it needs";
        if (!claims.TryReadNumber("iat"u8, decided.IssuedAt.ToUnixTimeSeconds()) || !claims.TryReadNumber("exp"u8, decided.ExpiresAt.ToUnixTimeSeconds()))
            return "the draft has another lifetime";
        return claims.TryReadText("jti"u8, decided.TokenId) ? null : "the draft has another token ID";
    }

    // RFC 7518 §6.2.1 and §6.3.1, from the bits of the key itself: an uncompressed point (SEC 1 §2.3.3), or an RSAPublicKey (RFC 8017 §A.1.1).
    private static bool HoldsKey(ref JsonCursor jwk, SubjectPublicKey key)
    {
        var bits = key.Bits.Span;
        if (key.Kind is PublicKeyKind.Rsa)
        {
            var outer = new DerCursor(bits);
            if (!outer.TryRead(0x30, out var content)) return false;
            var numbers = new DerCursor(content);
            return numbers.TryRead(0x02, out var modulus)
                && numbers.TryRead(0x02, out var exponent)
                && jwk.TryReadText("kty"u8, "RSA")
                && jwk.TryReadText("n"u8, Base64Url.EncodeToString(modulus.TrimStart((byte)0)))
                && jwk.TryReadText("e"u8, Base64Url.EncodeToString(exponent.TrimStart((byte)0)));
        }

        var half = bits.Length / 2;
        var curve = key.Kind switch { PublicKeyKind.EcP256 => "P-256", PublicKeyKind.EcP384 => "P-384", _ => "P-521" };
        return jwk.TryReadText("kty"u8, "EC")
            && jwk.TryReadText("crv"u8, curve)
            && jwk.TryReadText("x"u8, Base64Url.EncodeToString(bits[1..(half + 1)]))
            && jwk.TryReadText("y"u8, Base64Url.EncodeToString(bits[(half + 1)..]));
    }

    private static string? FindProblem(WitSvidDraft decided, WitSigningAuthority authority)
    {
        if (!decided.Id.HasPath || !decided.Id.IsMemberOf(authority.TrustDomain)) return "the draft's SPIFFE ID is not the authority's to give";
        return decided.ExpiresAt <= decided.IssuedAt || decided.ExpiresAt > authority.NotAfter ? "the draft ends before it begins, or outlives its authority" : null;
    }
}
