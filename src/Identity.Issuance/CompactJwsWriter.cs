using System.Buffers;
using System.Buffers.Text;
using System.Text;
using System.Text.Json;
using Spiffe.Net;

namespace Identity.Issuance;

/// <summary>Writes the parts of a token as RFC 7515 §7.1 joins them.</summary>
internal static class CompactJwsWriter
{
    /// <summary>The header with exactly <c>alg</c>, <c>kid</c> and <c>typ</c>, as base64url.</summary>
    public static byte[] EncodeHeader(IAuthorityKey key, string keyId, string type)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("alg", key.Algorithm.JwsName);
            json.WriteString("kid", keyId);
            json.WriteString("typ", StrictJson.Plainly(type));
            json.WriteEndObject();
        }

        return Base64Url.EncodeToUtf8(buffer.WrittenSpan);
    }

    /// <summary>What is signed.</summary>
    public static byte[] Join(ReadOnlySpan<byte> encodedHeader, ReadOnlySpan<byte> claims)
    {
        var joined = new byte[encodedHeader.Length + 1 + Base64Url.GetEncodedLength(claims.Length)];
        encodedHeader.CopyTo(joined);
        joined[encodedHeader.Length] = (byte)'.';
        Base64Url.EncodeToUtf8(claims, joined.AsSpan(encodedHeader.Length + 1));
        return joined;
    }

    public static string Sign(CheckedSigner signer, byte[] signedPart)
    {
        Span<byte> signature = stackalloc byte[signer.Algorithm.MaxSignatureLength];
        var length = signer.Sign(signedPart, signature, SignatureEncoding.Jws);
        return string.Concat(Encoding.ASCII.GetString(signedPart), ".", Base64Url.EncodeToString(signature[..length]));
    }
}
