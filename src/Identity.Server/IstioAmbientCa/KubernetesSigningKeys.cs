using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text.Json;

namespace Identity.Server.IstioAmbientCa;

/// <summary>The public keys of a Kubernetes API server, as its JWKS lists them: RSA of at least 2048 bits for RS256, P-256 for ES256.</summary>
internal sealed class KubernetesSigningKeys
{
    public const int MaxBytes = 256 * 1024;
    private const int MaxKeys = 64;

    private static readonly JsonDocumentOptions Strict = new() { MaxDepth = 8, AllowDuplicateProperties = false };

    private readonly Dictionary<string, Key> _keys;

    private KubernetesSigningKeys(Dictionary<string, Key> keys) => _keys = keys;

    public static bool TryParse(ReadOnlyMemory<byte> json, [NotNullWhen(true)] out KubernetesSigningKeys? keys, out string problem)
    {
        keys = null;
        var found = new Dictionary<string, Key>(StringComparer.Ordinal);
        try
        {
            using var document = JsonDocument.Parse(json, Strict);
            foreach (var entry in document.RootElement.GetProperty("keys").EnumerateArray())
            {
                if (entry.TryGetProperty("use", out var use) && !use.ValueEquals("sig")) continue;
                var kid = entry.GetProperty("kid").GetString()!;
                if (ReadKey(entry) is not { } key)
                {
                    problem = $"the key '{kid}' is neither RSA of 2048 to 8192 bits nor P-256";
                    return false;
                }

                if (found.Count == MaxKeys || !found.TryAdd(kid, key))
                {
                    problem = $"it lists more than {MaxKeys} keys, or two with the kid '{kid}'";
                    return false;
                }
            }
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException or CryptographicException or ArgumentException)
        {
            problem = "it is not a JSON Web Key Set: {\"keys\":[{\"kty\",\"kid\",…}]}, as `kubectl get --raw /openid/v1/jwks` prints it";
            return false;
        }

        problem = found.Count == 0 ? "it lists no signing key" : "";
        keys = found.Count == 0 ? null : new KubernetesSigningKeys(found);
        return keys is not null;
    }

    /// <summary>The key decides which algorithm may be used with it, never the token (RFC 8725 §3.1).</summary>
    public bool Verify(string kid, string algorithm, ReadOnlySpan<byte> data, ReadOnlySpan<byte> signature) =>
        _keys.TryGetValue(kid, out var key) && key.Verify(algorithm, data, signature);

    private static Key? ReadKey(JsonElement entry)
    {
        switch (entry.GetProperty("kty").GetString())
        {
            case "RSA":
                var rsa = new RSAParameters { Modulus = Bytes(entry, "n"), Exponent = Bytes(entry, "e") };
                return rsa.Modulus.Length is >= 256 and <= 1024 ? new Key(rsa, null) : null;
            case "EC" when entry.GetProperty("crv").ValueEquals("P-256"):
                var point = new ECParameters { Curve = ECCurve.NamedCurves.nistP256, Q = new ECPoint { X = Bytes(entry, "x"), Y = Bytes(entry, "y") } };
                point.Validate();
                using (ECDsa.Create(point)) return new Key(null, point); // throws for a point that is not on the curve
            default:
                return null;
        }
    }

    private static byte[] Bytes(JsonElement entry, string name) => Base64Url.DecodeFromChars(entry.GetProperty(name).GetString());

    private sealed class Key(RSAParameters? rsa, ECParameters? ec)
    {
        public bool Verify(string algorithm, ReadOnlySpan<byte> data, ReadOnlySpan<byte> signature)
        {
            if (rsa is { } modulus && algorithm == "RS256")
            {
                using var key = RSA.Create(modulus);
                return key.VerifyData(data, signature, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
            }

            if (ec is { } point && algorithm == "ES256")
            {
                using var key = ECDsa.Create(point);
                return key.VerifyData(data, signature, HashAlgorithmName.SHA256);
            }

            return false;
        }
    }
}
