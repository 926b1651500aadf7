using System.Buffers;
using System.Buffers.Text;

namespace Spiffe.Net;

/// <summary>Base64url without padding (RFC 7515 §2), each value in its one spelling.</summary>
internal static class StrictBase64Url
{
    private static readonly SearchValues<char> Alphabet =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");

    // The base library forgives padding, white space and stray low bits; what has two spellings can be told apart from itself, so we do not.
    public static bool TryDecode(ReadOnlySpan<char> text, out byte[] bytes)
    {
        bytes = [];
        if (text.IndexOfAnyExcept(Alphabet) >= 0 || text.Length % 4 == 1) return false;

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
