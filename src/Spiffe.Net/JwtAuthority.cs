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

    // A kid is an opaque name; nobody needs more, and it is copied into every token.
    public const int MaxKeyIdLength = 256;

    public string KeyId { get; }

    /// <summary>The key as DER SubjectPublicKeyInfo.</summary>
    public ReadOnlyMemory<byte> SubjectPublicKeyInfo => _key.SubjectPublicKeyInfo;

    public PublicKeyKind Kind => _key.Kind;

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
