using System.Diagnostics.CodeAnalysis;
using System.Text.Json;

namespace Spiffe.Net;

/// <summary>A public key that JWT-SVIDs of one trust domain are verified with, found by its <see cref="KeyId"/>.</summary>
public sealed class JwtAuthority
{
    private readonly SubjectPublicKey _key;

    private JwtAuthority(string keyId, SubjectPublicKey key)
    {
        KeyId = keyId;
        _key = key;
    }

    /// <summary>Characters of a key ID: an opaque name, and it is copied into every token.</summary>
    public const int MaxKeyIdLength = 256;

    /// <summary>The <c>kid</c> that tokens name it by; unique over the whole bundle and compared byte by byte (JWT-SVID §2.2, Trust Domain and Bundle §4.2).</summary>
    public string KeyId { get; }

    /// <summary>The key as DER SubjectPublicKeyInfo.</summary>
    public ReadOnlyMemory<byte> SubjectPublicKeyInfo => _key.SubjectPublicKeyInfo;

    /// <summary>Decides which algorithms the key may be used with (RFC 8725 §3.1).</summary>
    public PublicKeyKind Kind => _key.Kind;

    /// <summary>Refuses a key of an unknown kind or size, and a key ID that is empty or longer than <see cref="MaxKeyIdLength"/>.</summary>
    /// <param name="subjectPublicKeyInfo">DER; copied.</param>
    public static bool TryCreate(
        string keyId,
        ReadOnlyMemory<byte> subjectPublicKeyInfo,
        [NotNullWhen(true)] out JwtAuthority? authority,
        [NotNullWhen(false)] out string? problem)
    {
        authority = null;
        if (string.IsNullOrEmpty(keyId) || keyId.Length > MaxKeyIdLength)
        {
            problem = $"a JWT authority needs a key ID of 1 to {MaxKeyIdLength} characters";
            return false;
        }

        if (!SubjectPublicKey.TryParse(subjectPublicKeyInfo, out var key, out problem)) return false;
        authority = new JwtAuthority(keyId, key);
        return true;
    }

    /// <summary>True when the two have the same key ID and the same key.</summary>
    public bool HasSameContent(JwtAuthority other) =>
        KeyId == other.KeyId && SubjectPublicKeyInfo.Span.SequenceEqual(other.SubjectPublicKeyInfo.Span);

    internal void WriteJwk(Utf8JsonWriter json) => JsonWebKey.Write(json, _key);

    internal bool Verify(JwsAlgorithm algorithm, ReadOnlySpan<byte> data, ReadOnlySpan<byte> signature) => algorithm.Verify(_key, data, signature);
}
