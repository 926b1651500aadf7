using System.Buffers;
using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Spiffe.Net;

/// <summary>A JWS in compact serialization (RFC 7515 §7.1), decoded but not believed. Has exactly one spelling.</summary>
internal readonly struct CompactJws
{
    private static readonly SearchValues<char> Base64UrlAlphabet =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");

    private CompactJws(byte[] header, byte[] payload, byte[] signature, byte[] signingInput)
    {
        Header = header;
        Payload = payload;
        Signature = signature;
        SigningInput = signingInput;
    }

    public byte[] Header { get; }

    public byte[] Payload { get; }

    public byte[] Signature { get; }

    /// <summary>The ASCII bytes that were signed: header and payload, encoded and joined by a dot.</summary>
    public byte[] SigningInput { get; }

    /// <param name="maxLength">Characters; looked at before anything is decoded.</param>
    public static bool TryRead(string? token, int maxLength, out CompactJws jws, [NotNullWhen(false)] out string? problem)
    {
        jws = default;
        if (string.IsNullOrEmpty(token) || token.Length > maxLength)
        {
            problem = $"the token has {token?.Length ?? 0} characters; expected 1 to {maxLength}";
            return false;
        }

        // Four ranges, so that a fourth part is seen and not taken for a piece of the third.
        Span<Range> parts = stackalloc Range[4];
        var text = token.AsSpan();
        if (text.Split(parts, '.') != 3
            || !TryDecode(text[parts[0]], out var header)
            || !TryDecode(text[parts[1]], out var payload)
            || !TryDecode(text[parts[2]], out var signature)
            || signature.Length == 0)
        {
            problem = "the token is not three base64url parts joined by dots";
            return false;
        }

        problem = null;
        jws = new CompactJws(header, payload, signature, Encoding.ASCII.GetBytes(token, 0, parts[2].Start.Value - 1));
        return true;
    }

    // The base library forgives padding, white space and stray low bits; a token has exactly one spelling, so we do not.
    private static bool TryDecode(ReadOnlySpan<char> text, out byte[] bytes)
    {
        bytes = [];
        if (text.IndexOfAnyExcept(Base64UrlAlphabet) >= 0 || text.Length % 4 == 1) return false;

        // Whole groups are 3 bytes each; 2 or 3 characters left over are 1 or 2 bytes.
        bytes = new byte[(text.Length / 4 * 3) + (text.Length % 4 is 0 ? 0 : (text.Length % 4) - 1)];

        // Not TryDecodeFromChars: that throws when the last character has stray low bits.
        return Base64Url.DecodeFromChars(text, bytes, out _, out var written) is OperationStatus.Done
            && written == bytes.Length
            && HasNoStrayBits(text, bytes);
    }

    // Only the last character can carry bits that belong to no byte (RFC 4648 §3.5).
    private static bool HasNoStrayBits(ReadOnlySpan<char> text, ReadOnlySpan<byte> bytes)
    {
        var left = text.Length % 4;
        if (left == 0) return true;
        Span<char> canonical = stackalloc char[4];
        Base64Url.EncodeToChars(bytes[^(left - 1)..], canonical);
        return text[^left..].SequenceEqual(canonical[..left]);
    }
}
