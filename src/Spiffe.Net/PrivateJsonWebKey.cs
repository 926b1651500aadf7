using System.Buffers;
using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text.Json;

namespace Spiffe.Net;

/// <summary>Private keys as JWKs (RFC 7518 §6.2.2 and §6.3.2), which is how the Workload API hands out the key of a WIT-SVID (Workload API §7.2.1).</summary>
[Experimental(Incubating.Wit)]
public static class PrivateJsonWebKey
{
    /// <summary>Bytes of the longest private JWK that is read: an RSA key of 8192 bits has about 6,400.</summary>
    public const int MaxLength = 8 * 1024;

    /// <summary>The private JWK with <c>alg</c>, UTF-8. A secret: zero the bytes after use.</summary>
    /// <exception cref="CryptographicException">The key is not on P-256, P-384 or P-521, or cannot be exported.</exception>
    public static byte[] Write(ECDsa key)
    {
        if (!SubjectPublicKey.TryParse(key.ExportSubjectPublicKeyInfo(), out var publicKey, out var problem)) throw new CryptographicException(problem);
        var parameters = key.ExportParameters(includePrivateParameters: true);
        Span<byte> d = stackalloc byte[Base64Url.GetEncodedLength(parameters.D!.Length)];
        Base64Url.EncodeToUtf8(parameters.D, d);
        CryptographicOperations.ZeroMemory(parameters.D);

        // The longest has some 330 bytes: a buffer that grew would leave its beginning behind.
        var buffer = new ArrayBufferWriter<byte>(512);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            JsonWebKey.Write(json, publicKey.Kind, parameters);
            json.WriteString("alg", JwsAlgorithm.For(publicKey.Kind)!.Name);
            json.WriteString("d", d);
            json.WriteEndObject();
        }

        var jwk = buffer.WrittenSpan.ToArray();
        CryptographicOperations.ZeroMemory(d);
        buffer.Clear();
        return jwk;
    }

    /// <summary>Reads a private JWK whose public half belongs to it.</summary>
    /// <param name="jwk">UTF-8 JSON of at most <see cref="MaxLength"/> bytes.</param>
    /// <param name="key">An <see cref="ECDsa"/> or an <see cref="RSA"/>; the caller's to dispose of.</param>
    /// <param name="problem">One sentence that repeats nothing of the key.</param>
    public static bool TryRead(ReadOnlyMemory<byte> jwk, [NotNullWhen(true)] out AsymmetricAlgorithm? key, [NotNullWhen(false)] out string? problem)
    {
        key = null;
        if (jwk.Length > MaxLength || !StrictJson.TryParseObject(jwk, out var document))
        {
            problem = $"the private key is not a JSON object of at most {MaxLength} bytes, or has a member twice";
            return false;
        }

        using (document)
        using (var secrets = new SecretNumbers())
        {
            problem = null;
            if (JsonWebKey.TryReadPrivateKey(document.RootElement, secrets, out key)) return true;
            problem = "the private key is neither RSA nor EC on P-256, P-384 or P-521, or its public half is not its own";
            return false;
        }
    }
}
