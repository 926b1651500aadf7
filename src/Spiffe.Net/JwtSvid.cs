using System.Buffers;
using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Spiffe.Net;

/// <summary>A JWT-SVID taken apart. Only <see cref="JwtSvidVerifier"/> says whether to believe it. Not a record: printing one must not print the token.</summary>
public sealed class JwtSvid
{
    /// <summary>Characters of the compact form; a real token has about 500.</summary>
    public const int MaxTokenLength = 8 * 1024;

    private static readonly SearchValues<char> Base64UrlAlphabet =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");

    private readonly byte[] _signingInput;
    private readonly byte[] _signature;
    private readonly byte[] _payload;

    private JwtSvid(string token, JwtSvidHeader header, JwtSvidClaims claims, byte[] payload, byte[] signature)
    {
        Token = token;
        KeyId = header.KeyId;
        JwsAlgorithm = header.Algorithm;
        Id = claims.Subject;
        Audience = claims.Audience;
        ExpiresAt = claims.ExpiresAt;
        IssuedAt = claims.IssuedAt;
        NotBefore = claims.NotBefore;
        TokenId = claims.TokenId;
        _payload = payload;
        _signature = signature;
        _signingInput = Encoding.ASCII.GetBytes(token, 0, token.LastIndexOf('.'));
    }

    /// <summary>The compact form: a bearer secret until it expires.</summary>
    public string Token { get; }

    public SpiffeId Id { get; }

    public IReadOnlyList<string> Audience { get; }

    public DateTimeOffset ExpiresAt { get; }

    public DateTimeOffset? IssuedAt { get; }

    public DateTimeOffset? NotBefore { get; }

    /// <summary>The <c>jti</c>; null when the issuer gave none.</summary>
    public string? TokenId { get; }

    public string KeyId { get; }

    public string Algorithm => JwsAlgorithm.Name;

    /// <summary>All claims as a UTF-8 JSON object without duplicate members.</summary>
    public ReadOnlyMemory<byte> ClaimsJson => _payload;

    internal JwsAlgorithm JwsAlgorithm { get; }

    internal ReadOnlySpan<byte> SigningInput => _signingInput;

    internal ReadOnlySpan<byte> Signature => _signature;

    /// <summary>Takes a token apart without checking its signature, audience or time. For an agent's own tokens and for diagnostics.</summary>
    public static bool TryParseUnverified(
        string? token, [NotNullWhen(true)] out JwtSvid? svid, [NotNullWhen(false)] out string? problem)
    {
        svid = null;
        if (string.IsNullOrEmpty(token) || token.Length > MaxTokenLength)
        {
            problem = $"the token has {token?.Length ?? 0} characters; expected 1 to {MaxTokenLength}";
            return false;
        }

        Span<Range> parts = stackalloc Range[4];
        if (token.AsSpan().Split(parts, '.') != 3
            || !TryDecode(token.AsSpan(parts[0]), out var header)
            || !TryDecode(token.AsSpan(parts[1]), out var payload)
            || !TryDecode(token.AsSpan(parts[2]), out var signature)
            || signature.Length == 0)
        {
            problem = "the token is not three base64url parts joined by dots";
            return false;
        }

        if (!JwtSvidHeader.TryRead(header, out var readHeader, out problem)) return false;
        if (!JwtSvidClaims.TryRead(payload, out var claims, out problem)) return false;
        svid = new JwtSvid(token, readHeader, claims, payload, signature);
        return true;
    }

    public override string ToString() => $"JWT-SVID of {Id}";

    // The base library forgives padding, white space and stray low bits; a token has exactly one spelling, so we do not.
    private static bool TryDecode(ReadOnlySpan<char> text, out byte[] bytes)
    {
        bytes = [];
        if (text.IndexOfAnyExcept(Base64UrlAlphabet) >= 0 || text.Length % 4 == 1) return false;
        bytes = new byte[Base64Url.GetMaxDecodedLength(text.Length)];

        // Not TryDecodeFromChars: that throws when the last character has stray low bits.
        if (Base64Url.DecodeFromChars(text, bytes, out _, out var written) is not OperationStatus.Done) return false;
        bytes = bytes[..written];
        return text.SequenceEqual(Base64Url.EncodeToString(bytes));
    }
}
