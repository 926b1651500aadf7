using System.Diagnostics.CodeAnalysis;
using System.Text.Json;

namespace Spiffe.Net;

/// <summary>A public key that WIT-SVIDs of one trust domain are verified with, found by its <see cref="KeyId"/> (WIT-SVID §6.1).</summary>
/// <remarks>Never a <see cref="JwtAuthority"/>: a key that signs tokens of both kinds invites taking one for the other (Trust Domain and Bundle §2).</remarks>
[Experimental(Incubating.Wit)]
public sealed class WitAuthority
{
    private readonly SubjectPublicKey _key;

    private WitAuthority(string keyId, SubjectPublicKey key)
    {
        KeyId = keyId;
        _key = key;
    }

    /// <summary>Unique over the whole bundle, JWT keys included; compared case by case (WIT-SVID §2.1).</summary>
    public string KeyId { get; }

    /// <summary>The key as DER SubjectPublicKeyInfo.</summary>
    public ReadOnlyMemory<byte> SubjectPublicKeyInfo => _key.SubjectPublicKeyInfo;

    /// <summary>Decides which algorithms the key may be used with.</summary>
    public PublicKeyKind Kind => _key.Kind;

    /// <summary>Refuses a key of an unknown kind or size, and a key ID that is empty or longer than <see cref="JwtAuthority.MaxKeyIdLength"/>.</summary>
    public static bool TryCreate(
        string keyId,
        ReadOnlyMemory<byte> subjectPublicKeyInfo,
        [NotNullWhen(true)] out WitAuthority? authority,
        [NotNullWhen(false)] out string? problem)
    {
        authority = null;
        if (string.IsNullOrEmpty(keyId) || keyId.Length > JwtAuthority.MaxKeyIdLength)
        {
            problem = $"a WIT authority needs a key ID of 1 to {JwtAuthority.MaxKeyIdLength} characters";
            return false;
        }

        if (!SubjectPublicKey.TryParse(subjectPublicKeyInfo, out var key, out problem)) return false;
        authority = new WitAuthority(keyId, key);
        return true;
    }

    /// <summary>True when the two have the same key ID and the same key.</summary>
    public bool HasSameContent(WitAuthority other) =>
        KeyId == other.KeyId && SubjectPublicKeyInfo.Span.SequenceEqual(other.SubjectPublicKeyInfo.Span);

    internal void WriteJwk(Utf8JsonWriter json) => JsonWebKey.Write(json, _key);

    internal bool Verify(JwsAlgorithm algorithm, ReadOnlySpan<byte> data, ReadOnlySpan<byte> signature) => algorithm.Verify(_key, data, signature);
}
