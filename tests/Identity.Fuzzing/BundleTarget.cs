using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Spiffe.Net;

namespace Identity.Fuzzing;

/// <summary>A bundle document of a trust domain that is not ours.</summary>
internal static class BundleTarget
{
    public static bool Run(byte[] input)
    {
        if (!TrustBundle.TryParse(FuzzMaterial.Domain, input, out var bundle, out var problem))
        {
            Invariant.Holds(problem is { Length: > 0 and <= 4096 }, "a refusal is bounded");
            return false;
        }

        CheckAgainstText(input, bundle);
        var written = bundle.ToJson();
        Invariant.Holds(TrustBundle.TryParse(FuzzMaterial.Domain, written, out var again, out problem), $"what is written is read: {problem}");
        Invariant.Holds(again.HasSameAuthorities(bundle) && again.SequenceNumber == bundle.SequenceNumber && again.RefreshHint == bundle.RefreshHint, "what is read back is the same");
        Invariant.Holds(again.ToJson().AsSpan().SequenceEqual(written), "writing is stable");
        Invariant.Holds(TrustBundle.TryParseJwt(FuzzMaterial.Domain, bundle.ToJwtJson(), out var tokens, out problem), $"the JWT part is read: {problem}");
        Invariant.Holds(tokens.X509Authorities.Count == 0 && tokens.JwtAuthorities.Count == bundle.JwtAuthorities.Count, "the JWT part has the JWT keys only");
        Invariant.Holds(
            bundle.X509Authorities.Count == 0
            || (TrustBundle.TryParseX509(FuzzMaterial.Domain, bundle.ToX509Der(), out var roots, out _) && roots.X509Authorities.Count == bundle.X509Authorities.Count), "the X.509 part has the authorities");
        return true;
    }

    /// <summary>Trust Domain and Bundle §4: every authority comes from a JWK with its use, and there are no more of them than JWKs.</summary>
    private static void CheckAgainstText(byte[] input, TrustBundle bundle)
    {
        using var document = JsonDocument.Parse(input);
        var uses = document.RootElement.GetProperty("keys").EnumerateArray()
            .Select(key => key.TryGetProperty("use", out var use) && use.ValueKind is JsonValueKind.String ? use.GetString() : null).ToArray();
        Invariant.Holds(bundle.X509Authorities.Count <= uses.Count(use => use == "x509-svid"), "authorities for X.509 come from keys for X.509");
        Invariant.Holds(bundle.JwtAuthorities.Count <= uses.Count(use => use == "jwt-svid"), "authorities for tokens come from keys for tokens");
        Invariant.Holds(bundle.JwtAuthorities.All(authority => authority.KeyId.Length > 0), "a key for tokens has a name");
        Invariant.Holds(bundle.JwtAuthorities.Select(authority => authority.KeyId).Distinct().Count() == bundle.JwtAuthorities.Count, "a name means one key");
    }

    public static IEnumerable<(string, byte[])> Seeds()
    {
        FuzzMaterial.Bundles.TryGet(FuzzMaterial.Domain, out var own);
        var json = Encoding.UTF8.GetString(own!.ToJson());
        yield return ("own", Encoding.UTF8.GetBytes(json));
        yield return ("numbers", Encoding.UTF8.GetBytes(json[..^1] + ""","spiffe_sequence":18446744073709551615,"spiffe_refresh_hint":300,"x":[{}]}"""));
        using var rsa = RSA.Create(2048);
        Invariant.Holds(JwtAuthority.TryCreate("r1", rsa.ExportSubjectPublicKeyInfo(), out var key, out var problem), problem ?? "");
        Invariant.Holds(TrustBundle.TryCreate(FuzzMaterial.Domain, [], [key], 1, TimeSpan.FromMinutes(5), out var bundle, out problem), problem ?? "");
        yield return ("rsa", bundle.ToJson());
        yield return ("empty", "{\"keys\":[]}"u8.ToArray());
        yield return ("unknown", """{"keys":[{"kty":"AKP","use":"jwt-svid"},{"kty":"EC","use":"x"},{"kty":"EC"},{"kty":"EC","use":"x509-svid","x5c":[]}]}"""u8.ToArray());
        yield return ("twice", """{"keys":[],"keys":[]}"""u8.ToArray());
    }
}
