using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Spiffe.Net;

namespace Identity.Fuzzing;

/// <summary>
/// A token as a stranger sends it. After a first byte <c>s</c> the input is a header, a line feed and claims, which the target signs, so that what lies
/// behind the signature is reached; after any other it is the token.
/// </summary>
internal static class JwtTarget
{
    private const string Audience = "spiffe://td/service";

    public static bool Run(byte[] input)
    {
        if (input.Length == 0) return false;
        var rest = input.AsSpan(1);
        var token = input[0] == (byte)'s' ? Sign(rest) : Encoding.UTF8.GetString(rest);
        if (JwtSvidVerifier.Verify(token, Audience, FuzzMaterial.Bundles, FuzzMaterial.Now) is not JwtSvidVerification.Verified verified) return false;

        var parts = token.Split('.');
        Invariant.Holds(parts.Length == 3 && parts.All(part => Base64Url.EncodeToString(Base64Url.DecodeFromChars(part)) == part), "a token has one spelling");
        CheckHeader(Members(parts[0]));
        CheckClaims(Members(parts[1]), verified.Id.ToString());
        Invariant.Holds(
            FuzzMaterial.TokenKey.VerifyData(Encoding.ASCII.GetBytes($"{parts[0]}.{parts[1]}"), Base64Url.DecodeFromChars(parts[2]), HashAlgorithmName.SHA256), "what is accepted is signed");
        // The same claims under any other name are refused.
        Invariant.Holds(
            JwtSvidVerifier.Verify(token, Audience + "x", FuzzMaterial.Bundles, FuzzMaterial.Now) is JwtSvidVerification.Refused || IsForAnother(parts[1]), "a token is for its audiences");
        Invariant.Holds(JwtSvidVerifier.Verify(token, Audience, TrustBundleSet.Empty, FuzzMaterial.Now) is JwtSvidVerification.Refused, "no bundle, no trust");
        return true;
    }

    private static bool IsForAnother(string claims)
    {
        var audience = Members(claims)["aud"];
        return audience.ValueKind is JsonValueKind.Array && audience.EnumerateArray().Any(value => value.ValueEquals(Audience + "x"));
    }

    private static void CheckHeader(Dictionary<string, JsonElement> header)
    {
        Invariant.Holds(header.Keys.All(name => name is "alg" or "kid" or "typ"), "a header has no other member");
        Invariant.Holds(header["alg"].GetString() == "ES256" && header["kid"].GetString() == FuzzMaterial.KeyId, "the header names the key and its algorithm");
        Invariant.Holds(!header.TryGetValue("typ", out var type) || type.GetString() is "JWT" or "JOSE", "typ is JWT or JOSE");
    }

    private static void CheckClaims(Dictionary<string, JsonElement> claims, string id)
    {
        var now = FuzzMaterial.Now.ToUnixTimeSeconds();
        Invariant.Holds(claims["sub"].GetString() == id && SpiffeIdTarget.IsSpiffeId(id) && id.StartsWith("spiffe://td/", StringComparison.Ordinal), "sub is the ID");
        var audience = claims["aud"];
        Invariant.Holds(audience.ValueKind is JsonValueKind.String ? audience.ValueEquals(Audience) : audience.EnumerateArray().Any(value => value.ValueEquals(Audience)), "aud names us");
        Invariant.Holds(claims["exp"].GetDouble() > now - 11, "a token that is accepted has not expired");
        Invariant.Holds(!claims.TryGetValue("nbf", out var notBefore) || notBefore.GetDouble() < now + 11, "a token that is accepted is valid already");
        Invariant.Holds(!claims.TryGetValue("iat", out var issuedAt) || issuedAt.GetDouble() < now + 11, "a token that is accepted was issued");
    }

    private static Dictionary<string, JsonElement> Members(string part)
    {
        var document = JsonDocument.Parse(Base64Url.DecodeFromChars(part));
        var members = document.RootElement.EnumerateObject().ToArray();
        Invariant.Holds(members.Select(member => member.Name).Distinct().Count() == members.Length, "no member is there twice");
        return members.ToDictionary(member => member.Name, member => member.Value);
    }

    private static string Sign(ReadOnlySpan<byte> input)
    {
        var end = input.IndexOf((byte)'\n');
        if (end < 0) end = input.Length;
        var signed = $"{Base64Url.EncodeToString(input[..end])}.{Base64Url.EncodeToString(input[Math.Min(end + 1, input.Length)..])}";
        return $"{signed}.{Base64Url.EncodeToString(FuzzMaterial.TokenKey.SignData(Encoding.ASCII.GetBytes(signed), HashAlgorithmName.SHA256))}";
    }

    public static IEnumerable<(string, byte[])> Seeds()
    {
        const string Header = """{"alg":"ES256","kid":"k1"}""";
        const string Claims = """{"sub":"spiffe://td/x","aud":["spiffe://td/service"],"exp":1772366700}""";
        (string Name, string Text)[] signed =
        [
            ("good", $"{Header}\n{Claims}"),
            ("typ", """{"typ":"JWT","alg":"ES256","kid":"k1"}""" + "\n" + Claims),
            ("every-claim", Header + "\n" + """{"iss":"https://td","sub":"spiffe://td/x","aud":["a","spiffe://td/service"],"exp":1772366700,"nbf":1772366300,"iat":1772366300,"jti":"1","x":{"y":[1.5e3,null,true]}}"""),
            ("aud-as-text", Header + "\n" + """{"sub":"spiffe://td/x","aud":"spiffe://td/service","exp":1772366700.5}"""),
            ("expired", Header + "\n" + """{"sub":"spiffe://td/x","aud":["spiffe://td/service"],"exp":1}"""),
            ("twice", Header + "\n" + """{"sub":"spiffe://td/x","s\u0075b":"spiffe://td/y","aud":["spiffe://td/service"],"exp":1772366700}"""),
            ("embedded-key", """{"alg":"ES256","kid":"k1","jwk":{"kty":"EC"}}""" + "\n" + Claims),
            ("none", """{"alg":"none","kid":"k1"}""" + "\n" + Claims),
        ];
        foreach (var (name, text) in signed) yield return (name, Encoding.UTF8.GetBytes("s" + text));
        yield return ("signed", Encoding.UTF8.GetBytes("r" + Sign(Encoding.UTF8.GetBytes($"{Header}\n{Claims}"))));
    }
}
