using System.Buffers;
using System.Buffers.Text;
using System.Text;
using System.Text.Json;

namespace Identity.Server.IstioAmbientCa;

/// <summary>Who calls, as the Kubernetes API server signed it: a service account, and the pod the token is bound to.</summary>
/// <param name="Node">Null when the cluster writes no node into its tokens.</param>
internal sealed record KubernetesCaller(string Namespace, string ServiceAccount, string PodName, string PodUid, string? Node)
{
    public override string ToString() => $"{Namespace}/{ServiceAccount} (pod {PodName})";
}

/// <summary>Reads and verifies a projected service account token: RS256 or ES256, our issuer and audience, in time, bound to a pod.</summary>
internal static class KubernetesServiceAccountToken
{
    /// <summary>Real ones have about 1,200 bytes.</summary>
    public const int MaxLength = 8 * 1024;

    private static readonly TimeSpan Leeway = TimeSpan.FromSeconds(10);

    private static readonly JsonDocumentOptions Strict = new() { MaxDepth = 8, AllowDuplicateProperties = false };

    /// <returns>Null with the reason, which never repeats the token.</returns>
    public static KubernetesCaller? Verify(
        string token, KubernetesSigningKeys keys, string issuer, string audience, DateTimeOffset now, out string problem)
    {
        if (token.Length > MaxLength) return Refuse($"it has {token.Length} characters; at most {MaxLength} are read", out problem);
        Span<Range> parts = stackalloc Range[4];
        if (token.AsSpan().Split(parts, '.') != 3
            || Decode(token.AsSpan(parts[0])) is not { } headerJson
            || Decode(token.AsSpan(parts[1])) is not { } claimsJson
            || Decode(token.AsSpan(parts[2])) is not { } signature)
            return Refuse("it is not three base64url parts joined by dots", out problem);

        try
        {
            // 1. The signature, before anything the claims say is looked at.
            using var header = JsonDocument.Parse(headerJson, Strict);
            var algorithm = Text(header.RootElement, "alg");
            if (algorithm is not ("RS256" or "ES256")) return Refuse("its algorithm is not RS256 or ES256", out problem);
            if (header.RootElement.TryGetProperty("crit", out _)) return Refuse("it names critical header parameters", out problem);
            var signed = Encoding.ASCII.GetBytes(token, 0, token.LastIndexOf('.'));
            if (!keys.Verify(Text(header.RootElement, "kid"), algorithm, signed, signature))
                return Refuse("no key of the configured JWKS verifies its signature", out problem);

            // 2. For us, from our cluster, now.
            using var document = JsonDocument.Parse(claimsJson, Strict);
            var claims = document.RootElement;
            if (Text(claims, "iss") != issuer) return Refuse($"its issuer is not {issuer}", out problem);
            if (!HasAudience(claims, audience)) return Refuse($"its audience is not {audience}", out problem);
            if (Time(claims, "exp") is not { } expires || now > expires + Leeway) return Refuse("it has expired, or never does", out problem);
            if (Time(claims, "nbf") is { } notBefore && now + Leeway < notBefore) return Refuse("it is not valid yet", out problem);

            // 3. Whose: only a token bound to a pod says where its holder runs.
            var kubernetes = claims.GetProperty("kubernetes.io");
            var space = Text(kubernetes, "namespace");
            var account = Text(kubernetes.GetProperty("serviceaccount"), "name");
            if (Text(claims, "sub") != $"system:serviceaccount:{space}:{account}") return Refuse("its subject is not its service account", out problem);
            if (!kubernetes.TryGetProperty("pod", out var pod)) return Refuse("it is not bound to a pod; use a projected token", out problem);
            var node = kubernetes.TryGetProperty("node", out var bound) ? Text(bound, "name") : null;
            problem = "";
            return new KubernetesCaller(space, account, Text(pod, "name"), Text(pod, "uid"), node);
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            return Refuse("its claims are not those of a Kubernetes service account token", out problem);
        }
    }

    private static bool HasAudience(JsonElement claims, string audience)
    {
        var value = claims.GetProperty("aud");
        return value.ValueKind == JsonValueKind.String
            ? value.ValueEquals(audience)
            : value.EnumerateArray().Any(one => one.ValueKind == JsonValueKind.String && one.ValueEquals(audience));
    }

    private static string Text(JsonElement parent, string name) =>
        parent.GetProperty(name).GetString() is { Length: > 0 and <= 512 } text ? text : throw new KeyNotFoundException(name);

    private static DateTimeOffset? Time(JsonElement claims, string name) =>
        claims.TryGetProperty(name, out var value) && value.TryGetInt64(out var seconds) && seconds is > 0 and < 253_402_300_799
            ? DateTimeOffset.FromUnixTimeSeconds(seconds)
            : null;

    private static byte[]? Decode(ReadOnlySpan<char> part)
    {
        var bytes = new byte[Base64Url.GetMaxDecodedLength(part.Length)];
        return part.IndexOfAny(" \t\r\n=") < 0 && Base64Url.DecodeFromChars(part, bytes, out _, out var written) == OperationStatus.Done
            ? bytes[..written]
            : null;
    }

    private static KubernetesCaller? Refuse(string reason, out string problem)
    {
        problem = reason;
        return null;
    }
}
