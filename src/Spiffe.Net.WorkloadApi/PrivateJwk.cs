using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text.Json;

namespace Spiffe.Net.WorkloadApi;

/// <summary>Reads a private key as the WIT profile delivers it: a JWK with its private members (RFC 7518 §6).</summary>
internal static class PrivateJwk
{
    // An RSA key of 4096 bits has about 3,200 characters.
    private const int MaxLength = 8 * 1024;

    /// <param name="jwk">UTF-16 JSON.</param>
    /// <param name="problem">What is wrong; means nothing when the result is true.</param>
    /// <param name="expected">The public half, DER; a key that does not belong to it is refused.</param>
    public static bool TryRead(
        string jwk, ReadOnlySpan<byte> expected, [NotNullWhen(true)] out AsymmetricAlgorithm? key, out string problem)
    {
        key = null;
        problem = $"its key is not a private JWK of at most {MaxLength} characters";
        if (jwk.Length > MaxLength) return false;
        try
        {
            using var json = JsonDocument.Parse(jwk);
            key = Import(json.RootElement);
            if (key is null)
            {
                problem = "its key is of an unknown kind";
                return false;
            }

            if (key.ExportSubjectPublicKeyInfo().AsSpan().SequenceEqual(expected)) return true;
            problem = "its key does not belong to it";
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException or CryptographicException)
        {
            // What was wrong with it might repeat parts of the key.
        }

        key?.Dispose();
        key = null;
        return false;
    }

    private static AsymmetricAlgorithm? Import(JsonElement jwk) => jwk.GetProperty("kty").GetString() switch
    {
        "EC" => ECDsa.Create(new ECParameters
        {
            Curve = jwk.GetProperty("crv").GetString() switch
            {
                "P-256" => ECCurve.NamedCurves.nistP256,
                "P-384" => ECCurve.NamedCurves.nistP384,
                "P-521" => ECCurve.NamedCurves.nistP521,
                _ => throw new FormatException(),
            },
            Q = new ECPoint { X = Bytes(jwk, "x"), Y = Bytes(jwk, "y") },
            D = Bytes(jwk, "d"),
        }),
        "RSA" => RSA.Create(new RSAParameters
        {
            Modulus = Bytes(jwk, "n"),
            Exponent = Bytes(jwk, "e"),
            D = Bytes(jwk, "d"),
            P = Bytes(jwk, "p"),
            Q = Bytes(jwk, "q"),
            DP = Bytes(jwk, "dp"),
            DQ = Bytes(jwk, "dq"),
            InverseQ = Bytes(jwk, "qi"),
        }),
        _ => null,
    };

    private static byte[] Bytes(JsonElement jwk, string name) => Base64Url.DecodeFromChars(jwk.GetProperty(name).GetString());
}
