using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Text.Json;

namespace Spiffe.Net;

/// <summary>The public key a WIT-SVID is bound to (its <c>cnf</c> claim, WIT-SVID §3.2), with the one algorithm it may be used with.</summary>
[Experimental(Incubating.Wit)]
public sealed class ProofKey
{
    /// <summary>Bytes of a JWK; an RSA key of 8192 bits has about 1500.</summary>
    public const int MaxJwkLength = 4 * 1024;

    private static readonly string[] PrivateMembers = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

    private ProofKey(SubjectPublicKey publicKey, JwsAlgorithm algorithm)
    {
        PublicKey = publicKey;
        JwsAlgorithm = algorithm;
    }

    /// <summary>The key itself.</summary>
    public SubjectPublicKey PublicKey { get; }

    /// <summary>The JWS name of the algorithm, such as <c>ES256</c>.</summary>
    public string Algorithm => JwsAlgorithm.Name;

    internal JwsAlgorithm JwsAlgorithm { get; }

    /// <param name="algorithm">Its JWS name; null means the first that fits the key: ES256, ES384, ES512 or RS256.</param>
    public static bool TryCreate(
        SubjectPublicKey publicKey, string? algorithm, [NotNullWhen(true)] out ProofKey? key, [NotNullWhen(false)] out string? problem)
    {
        key = null;
        if ((algorithm is null ? JwsAlgorithm.For(publicKey.Kind) : JwsAlgorithm.Find(algorithm)) is not { } found)
        {
            problem = $"the key's algorithm {Quoted.From(algorithm)} is not allowed; expected one of {JwsAlgorithm.Names}";
            return false;
        }

        if (found.Kind != publicKey.Kind)
        {
            problem = $"the key's algorithm {found.Name} does not fit the key, which is {publicKey.Kind}";
            return false;
        }

        key = new ProofKey(publicKey, found);
        problem = null;
        return true;
    }

    /// <summary>Reads a public JWK with <c>alg</c>; one with private members is refused.</summary>
    /// <param name="jwk">UTF-8 JSON of at most <see cref="MaxJwkLength"/> bytes.</param>
    public static bool TryParse(ReadOnlyMemory<byte> jwk, [NotNullWhen(true)] out ProofKey? key, [NotNullWhen(false)] out string? problem)
    {
        key = null;
        if (jwk.Length > MaxJwkLength || !StrictJson.TryParseObject(jwk, out var document))
        {
            problem = $"the key is not a JSON object of at most {MaxJwkLength} bytes, or has a member twice";
            return false;
        }

        using (document)
        {
            return TryRead(document.RootElement, out key, out problem);
        }
    }

    /// <summary>The public JWK with <c>alg</c>, UTF-8.</summary>
    public byte[] ToJwk()
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        using (var json = new Utf8JsonWriter(buffer)) Write(json);
        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>True when the two are the same key for the same algorithm.</summary>
    public bool HasSameContent(ProofKey other) =>
        Algorithm == other.Algorithm && PublicKey.SubjectPublicKeyInfo.Span.SequenceEqual(other.PublicKey.SubjectPublicKeyInfo.Span);

    internal static bool TryRead(JsonElement jwk, [NotNullWhen(true)] out ProofKey? key, [NotNullWhen(false)] out string? problem)
    {
        key = null;

        // A token that carries the private key proves nothing about who presents it.
        if (Array.Find(PrivateMembers, member => jwk.TryGetProperty(member, out _)) is { } secret)
        {
            problem = $"the key has the private member \"{secret}\"; only the public half belongs there";
            return false;
        }

        if (StrictJson.GetString(jwk, "alg") is not { } algorithm)
        {
            problem = $"the key has no alg; expected one of {JwsAlgorithm.Names}";
            return false;
        }

        if (StrictJson.GetString(jwk, "kty") is not ("EC" or "RSA"))
        {
            problem = "the key's kty is neither EC nor RSA";
            return false;
        }

        if (!JsonWebKey.TryReadPublicKey(jwk, out var info, out problem)) return false;
        if (info is null)
        {
            problem = "the key's crv is none of P-256, P-384 and P-521";
            return false;
        }

        return SubjectPublicKey.TryParse(info, out var publicKey, out problem) && TryCreate(publicKey, algorithm, out key, out problem);
    }

    internal void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        JsonWebKey.Write(json, PublicKey);
        json.WriteString("alg", Algorithm);
        json.WriteEndObject();
    }

    internal bool Verify(ReadOnlySpan<byte> data, ReadOnlySpan<byte> signature) => JwsAlgorithm.Verify(PublicKey, data, signature);
}
