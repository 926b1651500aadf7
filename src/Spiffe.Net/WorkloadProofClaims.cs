using System.Buffers;
using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Spiffe.Net;

/// <summary>The claims of a proof of possession (draft-ietf-wimse-wpt, "Workload Proof Token"); others are ignored.</summary>
/// <param name="WitHash">The <c>wth</c>: base64url SHA-256 of the WIT-SVID's compact form.</param>
/// <param name="TransactionTokenHash">The <c>tth</c>, the same of a transaction token; null when the proof is bound to none.</param>
internal sealed record WorkloadProofClaims(
    string Audience, DateTimeOffset ExpiresAt, DateTimeOffset? NotBefore, string TokenId, string WitHash, string? TransactionTokenHash)
{
    public const int MaxTokenIdLength = 256;

    public static string HashOf(string token) => Base64Url.EncodeToString(SHA256.HashData(Encoding.UTF8.GetBytes(token)));

    public static bool TryRead(
        ReadOnlyMemory<byte> json, [NotNullWhen(true)] out WorkloadProofClaims? claims, [NotNullWhen(false)] out string? problem)
    {
        claims = null;
        if (!StrictJson.TryParseObject(json, out var document))
        {
            problem = "the token's claims are not a JSON object of Unicode text, or a claim is there twice";
            return false;
        }

        using (document)
        {
            problem = Read(document.RootElement, out claims);
            return claims is not null;
        }
    }

    public static ReadOnlySpan<byte> Write(UnverifiedWitSvid svid, WorkloadProofTarget target, DateTimeOffset expiresAt)
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("aud", target.Audience);
            json.WriteNumber("exp", expiresAt.ToUnixTimeSeconds());

            // 128 random bits, as the draft suggests.
            json.WriteString("jti", Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(16)));
            json.WriteString("wth", HashOf(svid.Token));
            if (target.TransactionToken is { } transactionToken) json.WriteString("tth", HashOf(transactionToken));
            json.WriteEndObject();
        }

        return buffer.WrittenSpan;
    }

    private static string? Read(JsonElement root, out WorkloadProofClaims? claims)
    {
        claims = null;
        if (ReadAudience(root) is not { } audience) return "the token's aud is not exactly one audience";
        if (!StrictJson.TryGetNumericDate(root, "exp", out var expiresAt) || expiresAt is null) return "the token's exp is missing or not a number of seconds";
        if (!StrictJson.TryGetNumericDate(root, "nbf", out var notBefore)) return "the token's nbf is not a number of seconds";
        if (StrictJson.GetString(root, "jti") is not { Length: > 0 and <= MaxTokenIdLength } tokenId)
            return $"the token's jti is missing or not a string of 1 to {MaxTokenIdLength} characters";
        if (StrictJson.GetString(root, "wth") is not { } witHash) return "the token's wth is missing, so it is bound to no WIT-SVID";
        if (!StrictJson.TryGetOptionalString(root, "tth", out var transactionTokenHash)) return "the token's tth is not a string";

        // Whoever does not understand an entry must refuse the proof; which header fields a request has is not known here.
        if (root.TryGetProperty("oth", out _)) return "the token is bound to other tokens (oth), which is not supported here";
        claims = new WorkloadProofClaims(audience, expiresAt.Value, notBefore, tokenId, witHash, transactionTokenHash);
        return null;
    }

    // A proof for several receivers could be replayed by each of them to the others (WIT-SVID §7.2).
    private static string? ReadAudience(JsonElement root)
    {
        if (!root.TryGetProperty("aud", out var aud)) return null;
        if (aud.ValueKind is JsonValueKind.Array && aud.GetArrayLength() == 1) aud = aud[0];
        return aud.ValueKind is JsonValueKind.String && aud.GetString() is { Length: > 0 } audience ? audience : null;
    }
}
