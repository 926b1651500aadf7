using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text.Json;

namespace Spiffe.Net;

/// <summary>Public keys as RFC 7517 JWKs (RFC 7518 §6.2 and §6.3).</summary>
internal static class JsonWebKey
{
    // 8192 bits of modulus, which is also the most that is worth decoding.
    private const int MaxRsaBytes = 1024;

    /// <param name="subjectPublicKeyInfo">Null, with success, for a curve that is not known here: such keys are ignored.</param>
    public static bool TryReadPublicKey(JsonElement key, out byte[]? subjectPublicKeyInfo, [NotNullWhen(false)] out string? problem)
    {
        subjectPublicKeyInfo = null;
        problem = null;
        try
        {
            if (StrictJson.GetString(key, "kty") is "RSA")
            {
                using var rsa = RSA.Create(new RSAParameters { Modulus = Natural(key, "n", MaxRsaBytes), Exponent = Natural(key, "e", 8) });
                subjectPublicKeyInfo = rsa.ExportSubjectPublicKeyInfo();
                return true;
            }

            if (FindCurve(StrictJson.GetString(key, "crv")) is not var (curve, size)) return true;
            var point = new ECPoint { X = Coordinate(key, "x", size), Y = Coordinate(key, "y", size) };
            using var ec = ECDsa.Create(new ECParameters { Curve = curve, Q = point });
            subjectPublicKeyInfo = ec.ExportSubjectPublicKeyInfo();
            return true;
        }
        catch (Exception e) when (e is FormatException or CryptographicException)
        {
            problem = "its numbers (n and e, or x and y) are missing, not base64url, or do not form a key";
            return false;
        }
    }

    /// <summary>False when the numbers are missing, do not form a key, or the public half is not the private one's.</summary>
    /// <param name="secrets">Takes every private number that was decoded; the caller's to dispose of, whatever the answer.</param>
    public static bool TryReadPrivateKey(JsonElement key, SecretNumbers secrets, [NotNullWhen(true)] out AsymmetricAlgorithm? privateKey)
    {
        privateKey = null;
        try
        {
            privateKey = StrictJson.GetString(key, "kty") switch
            {
                "EC" when FindCurve(StrictJson.GetString(key, "crv")) is var (curve, size) => ECDsa.Create(new ECParameters
                {
                    Curve = curve,
                    Q = new ECPoint { X = Coordinate(key, "x", size), Y = Coordinate(key, "y", size) },
                    D = secrets.Read(key, "d", size),
                }),
                "RSA" => RSA.Create(new RSAParameters
                {
                    Modulus = Natural(key, "n", MaxRsaBytes),
                    Exponent = Natural(key, "e", 8),
                    D = secrets.Read(key, "d", MaxRsaBytes),
                    P = secrets.Read(key, "p", MaxRsaBytes),
                    Q = secrets.Read(key, "q", MaxRsaBytes),
                    DP = secrets.Read(key, "dp", MaxRsaBytes),
                    DQ = secrets.Read(key, "dq", MaxRsaBytes),
                    InverseQ = secrets.Read(key, "qi", MaxRsaBytes),
                }),
                _ => null,
            };
            // The import checks the point, not that it is the private number's.
            if (privateKey is not null && VerifiesItself(privateKey)) return true;
        }
        catch (Exception e) when (e is FormatException or CryptographicException)
        {
            // What was wrong with it might repeat parts of the key.
        }

        privateKey?.Dispose();
        privateKey = null;
        return false;
    }

    public static void Write(Utf8JsonWriter json, SubjectPublicKey key)
    {
        if (key.Kind is PublicKeyKind.Rsa) Write(json, key.ExportRsaParameters());
        else Write(json, key.Kind, key.ExportEcParameters());
    }

    /// <param name="kind">Names the curve: others have points of the same length.</param>
    public static void Write(Utf8JsonWriter json, PublicKeyKind kind, ECParameters key)
    {
        json.WriteString("kty", "EC");
        json.WriteString("crv", kind switch
        {
            PublicKeyKind.EcP256 => "P-256",
            PublicKeyKind.EcP384 => "P-384",
            PublicKeyKind.EcP521 => "P-521",
            _ => throw new CryptographicException($"a key of kind {kind} has no curve that a JWK could name"),
        });
        json.WriteString("x", Base64Url.EncodeToString(key.Q.X));
        json.WriteString("y", Base64Url.EncodeToString(key.Q.Y));
    }

    public static void Write(Utf8JsonWriter json, RSAParameters key)
    {
        json.WriteString("kty", "RSA");
        json.WriteString("n", Base64Url.EncodeToString(key.Modulus));
        json.WriteString("e", Base64Url.EncodeToString(key.Exponent));
    }

    private static (ECCurve Curve, int Size)? FindCurve(string? name) => name switch
    {
        "P-256" => (ECCurve.NamedCurves.nistP256, 32),
        "P-384" => (ECCurve.NamedCurves.nistP384, 48),
        "P-521" => (ECCurve.NamedCurves.nistP521, 66),
        _ => null,
    };

    private static bool VerifiesItself(AsymmetricAlgorithm key)
    {
        var probe = "probe"u8.ToArray();
        return key switch
        {
            ECDsa ec => ec.VerifyData(probe, ec.SignData(probe, HashAlgorithmName.SHA256), HashAlgorithmName.SHA256),
            RSA rsa => rsa.VerifyData(
                probe, rsa.SignData(probe, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1),
            _ => false,
        };
    }

    // RFC 7518 §6.2.1.2: all the bytes of the field, zeros in front included.
    private static byte[] Coordinate(JsonElement key, string member, int size) =>
        Number(key, member, size) is var number && number.Length == size ? number : throw new FormatException();

    // RFC 7518 §2, Base64urlUInt: no byte more than it takes.
    private static byte[] Natural(JsonElement key, string member, int maxBytes) =>
        Number(key, member, maxBytes) is [not 0, ..] number ? number : throw new FormatException();

    private static byte[] Number(JsonElement key, string member, int maxBytes)
    {
        var text = StrictJson.GetString(key, member);
        if (string.IsNullOrEmpty(text) || Base64Url.GetMaxDecodedLength(text.Length) > maxBytes + 2) throw new FormatException();
        return StrictBase64Url.TryDecode(text, out var number) ? number : throw new FormatException();
    }
}
