using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using Spiffe.Net;

namespace Identity.Tests.SpiffeNet;

/// <summary>Signs whatever header and claims it is given.</summary>
internal sealed class JwtForge(AsymmetricAlgorithm key, string keyId = "k1")
{
    public static readonly DateTimeOffset Now = CertificateRecipe.Now;

    public const string GoodHeader = """{"alg":"ES256","kid":"k1","typ":"JWT"}""";

    public static string GoodClaims { get; } = Claims();

    public JwtAuthority Authority =>
        JwtAuthority.TryCreate(keyId, key.ExportSubjectPublicKeyInfo(), out var authority, out var problem)
            ? authority
            : throw new InvalidOperationException(problem);

    public static JwtForge Es256(string keyId = "k1") => new(ECDsa.Create(ECCurve.NamedCurves.nistP256), keyId);

    public static string Claims(string? sub = "\"spiffe://example.org/hosts/local\"", string? aud = "[\"spiffe://example.org/nats\"]", string? exp = null, string? more = null)
    {
        exp ??= Now.AddMinutes(5).ToUnixTimeSeconds().ToString(System.Globalization.CultureInfo.InvariantCulture);
        var members = new[] { ("sub", sub), ("aud", aud), ("exp", exp) }.Where(m => m.Item2 is not (null or "")).Select(m => $"\"{m.Item1}\":{m.Item2}");
        return "{" + string.Join(',', more is null ? members : members.Append(more)) + "}";
    }

    public static string Seconds(DateTimeOffset time) => time.ToUnixTimeSeconds().ToString(System.Globalization.CultureInfo.InvariantCulture);

    public string Sign(string header, string claims, HashAlgorithmName? hash = null, RSASignaturePadding? padding = null) =>
        SignEncoded(Encode(header), Encode(claims), hash, padding);

    /// <summary>Signs the two parts as they stand, whether or not they are base64url of anything.</summary>
    public string SignEncoded(string header, string claims, HashAlgorithmName? hash = null, RSASignaturePadding? padding = null)
    {
        var signedPart = $"{header}.{claims}";
        var bytes = Encoding.ASCII.GetBytes(signedPart);
        var signature = key switch
        {
            ECDsa ec => ec.SignData(bytes, hash ?? HashAlgorithmName.SHA256),
            RSA rsa => rsa.SignData(bytes, hash ?? HashAlgorithmName.SHA256, padding ?? RSASignaturePadding.Pkcs1),
            _ => throw new InvalidOperationException("no such key"),
        };
        return $"{signedPart}.{Base64Url.EncodeToString(signature)}";
    }

    public static string Encode(string text) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(text));

    public TrustBundleSet Bundles(string trustDomain = "example.org") =>
        TrustBundle.TryCreate(TrustDomain.Parse(trustDomain), [], [Authority], null, null, out var bundle, out var problem)
            ? new TrustBundleSet(bundle)
            : throw new InvalidOperationException(problem);
}
