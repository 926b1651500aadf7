using System.Buffers;
using System.Buffers.Text;
using System.Text.Json;

namespace Identity.Issuance;

/// <summary>
/// Reads back what is about to be signed of a token, header and claims as they are joined, and holds it to what was decided: no member more, none
/// less. Nothing of the writer is used; tests hold it to what the verifier of other people's tokens says.
/// </summary>
internal static class TokenLint
{
    // On the stack up to here: two parts decoded, and one of them encoded again.
    private const int UsualLength = 1024;

    public delegate string? ClaimsLint<in TDraft>(ref JsonCursor claims, TDraft decided);

    /// <param name="signedPart">Header, dot and claims: the very bytes that will be signed.</param>
    /// <param name="maxLength">Characters of the whole token, signature included.</param>
    public static string? FindProblem<TDraft>(
        ReadOnlySpan<byte> signedPart, int maxLength, IAuthorityKey key, string keyId, string type, TDraft decided, ClaimsLint<TDraft> claimsLint)
    {
        if (FindLengthProblem(signedPart, maxLength, key) is { } problem) return problem;
        Span<byte> buffer = signedPart.Length <= UsualLength ? stackalloc byte[2 * UsualLength] : new byte[2 * signedPart.Length];
        var scratch = buffer[..(buffer.Length / 2)];
        var decoded = buffer[(buffer.Length / 2)..];
        var dot = signedPart.IndexOf((byte)'.');
        if (dot < 0
            || !TryDecode(signedPart[..dot], decoded, scratch, out var headerLength)
            || !TryDecode(signedPart[(dot + 1)..], decoded[headerLength..], scratch, out var claimsLength))
            return "the draft is not two base64url parts joined by a dot";
        try
        {
            var claims = new JsonCursor(decoded.Slice(headerLength, claimsLength));
            return FindHeaderProblem(decoded[..headerLength], key, keyId, type)
                ?? (claims.TryOpen() ? null : "the draft's claims are not a JSON object")
                ?? claimsLint(ref claims, decided)
                ?? (claims.TryClose() && claims.IsAtEnd ? null : "the draft has more claims than were decided");
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return "the draft is not JSON of Unicode text";
        }
    }

    /// <summary>Null when a token of this signed part is not too long.</summary>
    public static string? FindLengthProblem(ReadOnlySpan<byte> signedPart, int maxLength, IAuthorityKey key)
    {
        var length = signedPart.Length + 1 + Base64Url.GetEncodedLength(key.Algorithm.MaxSignatureLength);
        return length > maxLength ? $"the token would have {length} characters; at most {maxLength} are accepted anywhere" : null;
    }

    private static string? FindHeaderProblem(ReadOnlySpan<byte> json, IAuthorityKey key, string keyId, string type)
    {
        var header = new JsonCursor(json);
        if (!header.TryOpen()) return "the draft's header is not a JSON object";
        if (!header.TryReadText("alg"u8, key.Algorithm.JwsName)) return "the draft names another algorithm";
        if (!header.TryReadText("kid"u8, keyId)) return "the draft names another key";
        if (!header.TryReadText("typ"u8, type)) return "the draft is of another type";
        return header.TryClose() && header.IsAtEnd ? null : "the draft's header has more members than alg, kid and typ";
    }

    // The base library forgives padding and white space; a token has one spelling, which is what encoding it again gives.
    private static bool TryDecode(ReadOnlySpan<byte> text, Span<byte> bytes, Span<byte> scratch, out int written)
    {
        if (Base64Url.DecodeFromUtf8(text, bytes, out _, out written) is not OperationStatus.Done) return false;
        return Base64Url.TryEncodeToUtf8(bytes[..written], scratch, out var encoded) && text.SequenceEqual(scratch[..encoded]);
    }
}
