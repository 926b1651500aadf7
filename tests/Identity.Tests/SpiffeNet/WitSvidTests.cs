using Spiffe.Net;
using Xunit;

namespace Identity.Tests.SpiffeNet;

public class WitSvidTests
{
    /// <summary>WIT-SVID, appendix A.</summary>
    internal const string Example =
        "eyJhbGciOiJFUzI1NiIsImtpZCI6ImxRU2kzaFpGbmRhMkQtWEprajF6bDdmb0pvdWl3STRuckF5aHk0alppSmciLCJ0eXAiOiJ3aXQrand0In0"
        + ".eyJjbmYiOnsiandrIjp7ImFsZyI6IkVTMjU2IiwiY3J2IjoiUC0yNTYiLCJrdHkiOiJFQyIsIngiOiJyelA3bUxDS0FIV21zTTZYMEV3VklTQ19oSTN1amN1OTVmZlVreWVE"
        + "R0dvIiwieSI6InVPcmZEbGp0WDltM2pZLWhzeWhMSllheHRHa3pEdjVlNWttQ2U1OFo5N2cifX0sImV4cCI6MTc2NTQ1NjUwMywiaWF0IjoxNzY1NDUyOTAzLCJqdGkiOiIxeWox"
        + "OVY0TWNPQXpNY0ZpN3F2c2dfQWdDeGxyWTVFX3g1MDl3bEtLUXRjIiwic3ViIjoic3BpZmZlOi8vZXhhbXBsZS5jb20vbXktd29ya2xvYWQifQ"
        + ".sfhEvZNdY_kWrICF08lX0u__rn39YnTavnW-VPBS20zgowDh6-X43v5eOUKZbjZf06yLBQM-Mry5w1g1QFsCkg";

    private static readonly WitForge Forge = new();

    [Fact]
    [Trait("rule", "WIT-01")]
    [Trait("rule", "WIT-06")]
    public void Reads_the_example_of_the_specification()
    {
        Assert.True(WitSvid.TryParseUnverified(Example, out var svid, out var problem), problem);
        Assert.Equal("spiffe://example.com/my-workload", svid.Id.ToString());
        Assert.Equal("lQSi3hZFnda2D-XJkj1zl7foJouiwI4nrAyhy4jZiJg", svid.KeyId);
        Assert.Equal("ES256", svid.Algorithm);
        Assert.Equal("ES256", svid.ProofKey.Algorithm);
        Assert.Equal(PublicKeyKind.EcP256, svid.ProofKey.PublicKey.Kind);
        Assert.Equal(1765456503, svid.ExpiresAt.ToUnixTimeSeconds());
        Assert.Equal(1765452903, svid.IssuedAt!.Value.ToUnixTimeSeconds());
        Assert.Equal("1yj19V4McOAzMcFi7qvsg_AgCxlrY5E_x509wlKKQtc", svid.TokenId);
        Assert.Null(svid.NotBefore);
        Assert.Null(svid.Issuer);
        Assert.DoesNotContain("eyJ", svid.ToString(), StringComparison.Ordinal);
    }

    public static IEnumerable<TheoryDataRow<string, string>> BadHeaders =>
    [
        Row("WIT-02", """{"alg":"ES256","typ":"wit+jwt"}""", "no usable kid"),
        Row("WIT-02", """{"alg":"ES256","typ":"wit+jwt","kid":""}""", "no usable kid"),
        Row("WIT-02", """{"alg":"ES256","typ":"wit+jwt","kid":7}""", "no usable kid"),
        Row("WIT-03", """{"alg":"ES256","kid":"w1"}""", "typ"),
        Row("WIT-03", """{"alg":"ES256","kid":"w1","typ":"JWT"}""", "typ is \"JWT\""),
        Row("WIT-03", """{"alg":"ES256","kid":"w1","typ":"WIT+JWT"}""", "typ"),
        Row("WIT-03", """{"alg":"ES256","kid":"w1","typ":"application/wit+jwt"}""", "typ"),
        Row("WIT-03", """{"alg":"ES256","kid":"w1","typ":"wpt+jwt"}""", "typ"),
        Row("WIT-04", """{"alg":"none","kid":"w1","typ":"wit+jwt"}""", "\"none\" is not allowed"),
        Row("WIT-04", """{"alg":"HS256","kid":"w1","typ":"wit+jwt"}""", "is not allowed"),
        Row("WIT-04", """{"alg":"EdDSA","kid":"w1","typ":"wit+jwt"}""", "is not allowed"),
        Row("WIT-04", """{"kid":"w1","typ":"wit+jwt"}""", "is not allowed"),
        Row("WIT-05", """{"alg":"ES256","kid":"w1","typ":"wit+jwt","crit":["x"],"x":1}""", "crit"),
        Row("WIT-05", """{"alg":"ES256","kid":"w1","typ":"wit+jwt","crit":[]}""", "crit"),
        Row("WIT-01", """{"alg":"ES256","kid":"w1","typ":"wit+jwt","kid":"w1"}""", "twice"),
    ];

    [Theory]
    [MemberData(nameof(BadHeaders))]
    public void Refuses_a_header_such_as(string header, string reason) => AssertRefused(reason, Forge.Sign(header));

    public static IEnumerable<TheoryDataRow<string, string>> BadClaims =>
    [
        Row("WIT-06", Forge.Claims(sub: null), "sub"),
        Row("WIT-06", Forge.Claims(sub: "\"alice\""), "sub"),
        Row("WIT-06", Forge.Claims(sub: "\"spiffe://example.org\""), "names a trust domain"),
        Row("WIT-07", """{"sub":"spiffe://example.org/x","exp":4102444800}""", "cnf"),
        Row("WIT-07", Forge.Claims(cnf: "null"), "cnf"),
        Row("WIT-07", Forge.Claims(cnf: "{}"), "cnf"),
        Row("WIT-07", Forge.Claims(cnf: """{"jku":"https://evil.example/"}"""), "cnf"),
        Row("WIT-07", Forge.Claims(cnf: """{"kid":"w1"}"""), "cnf"),
        Row("WIT-07", Forge.Claims(cnf: """{"jwk":"text"}"""), "cnf"),
        Row("WIT-07", Forge.Claims(cnf: $$"""{"jwk":{{Forge.Jwk}},"jwk":{{Forge.Jwk}}}"""), "twice"),
        Row("WIT-07", Forge.Claims(cnf: $$$"""{"jwk":{{{Forge.Jwk[..^1]}}},"d":"AAAA"}}"""), "private member"),
        Row("WIT-08", Forge.Claims(cnf: $$"""{"jwk":{{Forge.Jwk.Replace(",\"alg\":\"ES256\"", "", StringComparison.Ordinal)}}}"""), "no alg"),
        Row("WIT-08", Forge.Claims(cnf: $$"""{"jwk":{{Forge.Jwk.Replace("ES256", "HS256", StringComparison.Ordinal)}}}"""), "\"HS256\" is not allowed"),
        Row("WIT-08", Forge.Claims(cnf: $$"""{"jwk":{{Forge.Jwk.Replace("ES256", "none", StringComparison.Ordinal)}}}"""), "is not allowed"),
        Row("WIT-08", Forge.Claims(cnf: $$"""{"jwk":{{Forge.Jwk.Replace("ES256", "EdDSA", StringComparison.Ordinal)}}}"""), "is not allowed"),
        Row("WIT-08", Forge.Claims(cnf: $$"""{"jwk":{{Forge.Jwk.Replace("ES256", "ES384", StringComparison.Ordinal)}}}"""), "does not fit"),
        Row("WIT-08", Forge.Claims(cnf: """{"jwk":{"kty":"oct","alg":"HS256","k":"AAAA"}}"""), "private member"),
        Row("WIT-08", Forge.Claims(cnf: """{"jwk":{"kty":"OKP","alg":"ES256","crv":"Ed25519","x":"AAAA"}}"""), "kty"),
        Row("WIT-08", Forge.Claims(cnf: """{"jwk":{"kty":"EC","alg":"ES256","crv":"secp256k1","x":"AAAA","y":"AAAA"}}"""), "crv"),
        Row("WIT-08", Forge.Claims(cnf: """{"jwk":{"kty":"EC","alg":"ES256","crv":"P-256","x":"AAAA","y":"AAAA"}}"""), "form a key"),
        Row("WIT-08", Forge.Claims(cnf: """{"jwk":{"kty":"RSA","alg":"RS256","n":"AQAB","e":"AQAB"}}"""), "2048"),
        Row("WIT-09", Forge.Claims(more: "\"jti\":7"), "jti"),
        Row("WIT-10", Forge.Claims(exp: ""), "exp"),
        Row("WIT-10", Forge.Claims(exp: "\"4102444800\""), "exp"),
        Row("WIT-10", Forge.Claims(exp: "1e999"), "exp"),
        Row("WIT-11", Forge.Claims(more: "\"nbf\":\"soon\""), "nbf"),
        Row("WIT-13", Forge.Claims(more: "\"iss\":{}"), "iss"),
        Row("WIT-14", Forge.Claims(more: "\"aud\":\"spiffe://example.org/nats\""), "aud"),
        Row("WIT-14", Forge.Claims(more: "\"aud\":[]"), "aud"),
        Row("WIT-14", Forge.Claims(more: "\"aud\":null"), "aud"),
        Row("WIT-01", Forge.Claims(more: "\"sub\":\"spiffe://example.org/admin\""), "twice"),
    ];

    [Theory]
    [MemberData(nameof(BadClaims))]
    public void Refuses_claims_such_as(string claims, string reason) => AssertRefused(reason, Forge.Sign(claims: claims));

    [Fact]
    [Trait("rule", "WIT-01")]
    public void Refuses_what_is_not_in_compact_serialization()
    {
        var parts = Forge.Sign().Split('.');
        AssertRefused("three base64url parts", $$"""{"payload":"{{parts[1]}}","protected":"{{parts[0]}}","signature":"{{parts[2]}}"}""");
        AssertRefused("three base64url parts", $"{parts[0]}.{parts[1]}.");
        AssertRefused("expected 1 to 8192", Forge.Sign(claims: Forge.Claims(more: $"\"pad\":\"{new string('x', 8192)}\"")));
    }

    [Theory]
    [InlineData("\"x\":{\"y\":[1]}")]
    [InlineData("\"scope\":\"all\",\"cnf2\":1")]
    [Trait("rule", "WIT-15")]
    public void Ignores_claims_nobody_knows(string more) =>
        Assert.True(WitSvid.TryParseUnverified(Forge.Sign(claims: Forge.Claims(more: more)), out _, out var problem), problem);

    [Fact]
    [Trait("rule", "WIT-05")]
    public void Ignores_header_members_nobody_knows() =>
        Assert.True(WitSvid.TryParseUnverified(Forge.Sign("""{"alg":"ES256","kid":"w1","typ":"wit+jwt","x":{"y":1}}"""), out _, out var problem), problem);

    private static TheoryDataRow<string, string> Row(string rule, string text, string reason) =>
        new TheoryDataRow<string, string>(text, reason).WithTrait("rule", rule);

    private static void AssertRefused(string reason, string token)
    {
        Assert.False(WitSvid.TryParseUnverified(token, out _, out var problem));
        Assert.Contains(reason, problem, StringComparison.Ordinal);
    }
}
