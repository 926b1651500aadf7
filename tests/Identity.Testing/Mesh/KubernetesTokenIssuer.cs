using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Identity.Testing.Mesh;

/// <summary>Issues service-account tokens as the Kubernetes API server does: a JWT bound to a pod, RS256, with the <c>kubernetes.io</c> claim.</summary>
public sealed class KubernetesTokenIssuer(string issuer = "https://kubernetes.default.svc.cluster.local") : IDisposable
{
    private readonly RSA key = RSA.Create(2048);
    private readonly string keyId = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8));

    public string Issuer => issuer;

    /// <summary>The public key as a JWK Set (RFC 7517).</summary>
    public string Jwks()
    {
        var parameters = key.ExportParameters(includePrivateParameters: false);
        return new JsonObject
        {
            ["keys"] = new JsonArray(new JsonObject
            {
                ["kty"] = "RSA",
                ["use"] = "sig",
                ["alg"] = "RS256",
                ["kid"] = keyId,
                ["n"] = Base64Url.EncodeToString(parameters.Modulus),
                ["e"] = Base64Url.EncodeToString(parameters.Exponent),
            }),
        }.ToJsonString();
    }

    /// <summary>A token for the service account of one pod; <paramref name="change"/> may spoil the claims.</summary>
    public string Token(
        string @namespace, string serviceAccount, string pod, string podUid, string node, DateTimeOffset now,
        string audience = "istio-ca", TimeSpan? lifetime = null, Action<JsonObject>? change = null)
    {
        var claims = new JsonObject
        {
            ["iss"] = issuer,
            ["sub"] = $"system:serviceaccount:{@namespace}:{serviceAccount}",
            ["aud"] = new JsonArray(audience),
            ["iat"] = now.ToUnixTimeSeconds(),
            ["nbf"] = now.ToUnixTimeSeconds(),
            ["exp"] = (now + (lifetime ?? TimeSpan.FromHours(12))).ToUnixTimeSeconds(),
            ["jti"] = Guid.NewGuid().ToString(),
            ["kubernetes.io"] = new JsonObject
            {
                ["namespace"] = @namespace,
                ["node"] = new JsonObject { ["name"] = node, ["uid"] = Guid.NewGuid().ToString() },
                ["pod"] = new JsonObject { ["name"] = pod, ["uid"] = podUid },
                ["serviceaccount"] = new JsonObject { ["name"] = serviceAccount, ["uid"] = Guid.NewGuid().ToString() },
            },
        };
        change?.Invoke(claims);
        var header = Base64Url.EncodeToString(JsonSerializer.SerializeToUtf8Bytes(new JsonObject { ["alg"] = "RS256", ["kid"] = keyId, ["typ"] = "JWT" }));
        var signed = $"{header}.{Base64Url.EncodeToString(Encoding.UTF8.GetBytes(claims.ToJsonString()))}";
        return $"{signed}.{Base64Url.EncodeToString(key.SignData(Encoding.ASCII.GetBytes(signed), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1))}";
    }

    public void Dispose() => key.Dispose();
}
