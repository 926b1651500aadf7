using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Spiffe.Net;

/// <summary>A JWS in compact serialization (RFC 7515 §7.1), decoded but not believed. Has exactly one spelling.</summary>
internal readonly struct CompactJws
{
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
            || !StrictBase64Url.TryDecode(text[parts[0]], out var header)
            || !StrictBase64Url.TryDecode(text[parts[1]], out var payload)
            || !StrictBase64Url.TryDecode(text[parts[2]], out var signature)
            || signature.Length == 0)
        {
            problem = "the token is not three base64url parts joined by dots";
            return false;
        }

        problem = null;
        jws = new CompactJws(header, payload, signature, Encoding.ASCII.GetBytes(token, 0, parts[2].Start.Value - 1));
        return true;
    }
}
