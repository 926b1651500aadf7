using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using Spiffe.Net;

namespace Identity.Conformance.Tests;

/// <summary>Signs whatever it is given, with the base library alone.</summary>
internal sealed class Jws(AsymmetricAlgorithm key)
{
    public const string KeyId = "k1";

    public JwtAuthority Authority =>
        JwtAuthority.TryCreate(KeyId, key.ExportSubjectPublicKeyInfo(), out var authority, out var problem)
            ? authority
            : throw new InvalidOperationException(problem);

    public string Sign(string header, string claims, HashAlgorithmName? hash = null, RSASignaturePadding? padding = null)
    {
        var signedPart = $"{Encode(header)}.{Encode(claims)}";
        var bytes = Encoding.ASCII.GetBytes(signedPart);
        var signature = key is ECDsa ec
            ? ec.SignData(bytes, hash ?? HashAlgorithmName.SHA256)
            : ((RSA)key).SignData(bytes, hash ?? HashAlgorithmName.SHA256, padding ?? RSASignaturePadding.Pkcs1);
        return $"{signedPart}.{Base64Url.EncodeToString(signature)}";
    }

    public static string Encode(string text) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(text));

    public static byte[] Part(string token, int index) => Base64Url.DecodeFromChars(token.Split('.')[index]);
}
