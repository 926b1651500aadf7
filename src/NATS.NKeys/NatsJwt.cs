using System.Buffers;
using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Unicode;

namespace NATS.NKeys;

/// <summary>
/// The JWTs of NATS: version 2 only, algorithm "ed25519-nkey", signed by the nkey named in <c>iss</c>.
/// Verification says who signed and that nothing changed; audience, expiry and type are the caller's to judge.
/// </summary>
public static class NatsJwt
{
    /// <summary>An authorization request with a 4 KiB token twice in it and a chain of certificates stays well under this.</summary>
    public const int MaxTokenBytes = 64 * 1024;

    private const int MaxDepth = 16;

    // Base64url of {"typ":"JWT","alg":"ed25519-nkey"}, the text every NATS library writes.
    private static ReadOnlySpan<byte> UsualHeader => "eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ"u8;

    private static readonly JsonDocumentOptions Strict = new() { MaxDepth = MaxDepth, AllowDuplicateProperties = false };

    /// <summary>The claims are UTF-8 JSON whose <c>iss</c> the caller has set to the issuer's public key.</summary>
    public static byte[] Sign(KeyPair issuer, ReadOnlySpan<byte> claims)
    {
        var signedLength = UsualHeader.Length + 1 + Base64Url.GetEncodedLength(claims.Length);
        var token = new byte[signedLength + 1 + Base64Url.GetEncodedLength(KeyPair.SignatureLength)];
        UsualHeader.CopyTo(token);
        token[UsualHeader.Length] = (byte)'.';
        Base64Url.EncodeToUtf8(claims, token.AsSpan(UsualHeader.Length + 1));

        Span<byte> signature = stackalloc byte[KeyPair.SignatureLength];
        issuer.Sign(token.AsSpan(0, signedLength), signature);
        token[signedLength] = (byte)'.';
        Base64Url.EncodeToUtf8(signature, token.AsSpan(signedLength + 1));
        return token;
    }

    public static bool TryVerify(ReadOnlySpan<byte> token, [NotNullWhen(true)] out VerifiedNatsJwt? jwt, out string problem)
    {
        jwt = null;
        if (token.Length > MaxTokenBytes)
            return Fail($"the token has {token.Length} bytes, at most {MaxTokenBytes} are read", out problem);

        var firstDot = token.IndexOf((byte)'.');
        var lastDot = token.LastIndexOf((byte)'.');
        if (firstDot < 0 || firstDot == lastDot || token[(firstDot + 1)..lastDot].Contains((byte)'.'))
            return Fail("a token has three parts separated by dots", out problem);
        if (!token[..firstDot].SequenceEqual(UsualHeader) && !IsAcceptableHeader(token[..firstDot]))
            return Fail("the header must say typ JWT and alg ed25519-nkey", out problem);

        Span<byte> signature = stackalloc byte[KeyPair.SignatureLength];
        if (!TryDecodeExactly(token[(lastDot + 1)..], signature))
            return Fail("the signature must be 64 bytes in unpadded base64url", out problem);

        JsonDocument claims;
        try
        {
            claims = JsonDocument.Parse(DecodePart(token[(firstDot + 1)..lastDot]), Strict);
        }
        catch (Exception e) when (e is FormatException or JsonException)
        {
            return Fail("the claims must be one JSON object, without repeated names, in unpadded base64url", out problem);
        }

        if (IsSignedByItsIssuer(claims.RootElement, token[..lastDot], signature, out var issuer, out problem))
        {
            jwt = new VerifiedNatsJwt(issuer, claims);
            return true;
        }

        claims.Dispose();
        return false;
    }

    private static bool IsSignedByItsIssuer(
        JsonElement claims, ReadOnlySpan<byte> signed, ReadOnlySpan<byte> signature, out string issuer, out string problem)
    {
        issuer = "";
        if (claims.ValueKind != JsonValueKind.Object
            || !claims.TryGetProperty("iss"u8, out var iss)
            || iss.ValueKind != JsonValueKind.String)
            return Fail("the claims must name their issuer in iss", out problem);

        issuer = iss.GetString()!;
        if (!KeyPair.TryFromPublicKey(issuer, out var key, out problem))
            return Fail($"iss is not a public nkey: {problem}", out problem);

        using (key)
        {
            if (!key.Verify(signed, signature))
                return Fail("the signature is not its issuer's", out problem);
        }

        problem = "";
        return true;
    }

    private static bool IsAcceptableHeader(ReadOnlySpan<byte> part)
    {
        try
        {
            using var header = JsonDocument.Parse(DecodePart(part), Strict);
            return header.RootElement.ValueKind == JsonValueKind.Object
                && header.RootElement.TryGetProperty("alg"u8, out var alg) && alg.ValueKind == JsonValueKind.String
                && alg.ValueEquals("ed25519-nkey"u8)
                && header.RootElement.TryGetProperty("typ"u8, out var typ) && typ.ValueKind == JsonValueKind.String
                && string.Equals(typ.GetString(), "JWT", StringComparison.OrdinalIgnoreCase);
        }
        catch (Exception e) when (e is FormatException or JsonException)
        {
            return false;
        }
    }

    private static byte[] DecodePart(ReadOnlySpan<byte> part)
    {
        if (part.IndexOfAny(" \t\r\n="u8) >= 0) // the decoder skips white space and takes padding; one token has one text
            throw new FormatException();
        var json = Base64Url.DecodeFromUtf8(part);
        return IsUnicode(json) ? json : throw new FormatException();
    }

    // JsonDocument takes broken UTF-8 and half surrogates and throws only when the string is read, long after the border.
    private static bool IsUnicode(ReadOnlySpan<byte> json)
    {
        if (!Utf8.IsValid(json))
            return false;
        if (json.IndexOf("\\u"u8) < 0)
            return true;

        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = MaxDepth });
        try
        {
            while (reader.Read())
            {
                if (reader.TokenType is JsonTokenType.String or JsonTokenType.PropertyName && reader.ValueIsEscaped)
                    _ = reader.GetString();
            }

            return true;
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }

    private static bool TryDecodeExactly(ReadOnlySpan<byte> part, Span<byte> bytes)
    {
        Span<byte> again = stackalloc byte[Base64Url.GetEncodedLength(KeyPair.SignatureLength)];
        return part.Length == again.Length
            && Base64Url.DecodeFromUtf8(part, bytes, out _, out var written) == OperationStatus.Done && written == bytes.Length
            && Base64Url.TryEncodeToUtf8(bytes, again, out _) && part.SequenceEqual(again);
    }

    private static bool Fail(string text, out string problem)
    {
        problem = text;
        return false;
    }
}

/// <summary>Claims whose signature by <see cref="Issuer"/> holds. Nothing else about them has been judged.</summary>
public sealed class VerifiedNatsJwt(string issuer, JsonDocument claims) : IDisposable
{
    public string Issuer { get; } = issuer;

    /// <summary>Valid until disposed.</summary>
    public JsonElement Claims => claims.RootElement;

    public void Dispose() => claims.Dispose();
}
