using System.Buffers;
using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text.Json;

namespace Spiffe.Net;

/// <summary>EC private keys as JWKs (RFC 7518 §6.2.2), which is how the Workload API hands out the key of a WIT-SVID (Workload API §7.2.1).</summary>
public static class PrivateJsonWebKey
{
    /// <summary>The private JWK with <c>alg</c>, UTF-8. A secret: zero the bytes after use.</summary>
    /// <exception cref="CryptographicException">The key is not on P-256, P-384 or P-521, or cannot be exported.</exception>
    public static byte[] Write(ECDsa key)
    {
        if (!SubjectPublicKey.TryParse(key.ExportSubjectPublicKeyInfo(), out var publicKey, out var problem)) throw new CryptographicException(problem);
        var parameters = key.ExportParameters(includePrivateParameters: true);
        var buffer = new ArrayBufferWriter<byte>(256);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            JsonWebKey.Write(json, parameters);
            json.WriteString("alg", JwsAlgorithm.For(publicKey.Kind)!.Name);
            json.WriteString("d", Base64Url.EncodeToUtf8(parameters.D));
            json.WriteEndObject();
        }

        var jwk = buffer.WrittenSpan.ToArray();
        CryptographicOperations.ZeroMemory(parameters.D);
        buffer.Clear();
        return jwk;
    }

    /// <summary>Reads an EC private JWK whose public half belongs to it. RSA keys are refused: no WIT-SVID issuer known here hands them out.</summary>
    /// <param name="jwk">UTF-8 JSON of at most <see cref="ProofKey.MaxJwkLength"/> bytes.</param>
    public static bool TryRead(ReadOnlyMemory<byte> jwk, [NotNullWhen(true)] out ECDsa? key, [NotNullWhen(false)] out string? problem)
    {
        key = null;
        if (jwk.Length > ProofKey.MaxJwkLength || !StrictJson.TryParseObject(jwk, out var document))
        {
            problem = $"the private key is not a JSON object of at most {ProofKey.MaxJwkLength} bytes, or has a member twice";
            return false;
        }

        using (document)
        {
            problem = null;
            if (JsonWebKey.TryReadPrivateKey(document.RootElement, out key)) return true;
            problem = "the private key is not an EC key on P-256, P-384 or P-521, or its public half is not its own";
            return false;
        }
    }
}
