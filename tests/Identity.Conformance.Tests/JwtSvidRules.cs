using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using Identity.Issuance;
using Spiffe.Net;
using Xunit;

namespace Identity.Conformance.Tests;

/// <summary>JWT-SVID §§2-4 as vectors for the validator, and what the issuer writes. Rows name the rule and a word of the refusal.</summary>
public sealed class JwtSvidRules
{
    private const string Audience = "spiffe://td/service";
    private const string Header = """{"alg":"ES256","kid":"k1","typ":"JWT"}""";

    private static readonly DateTimeOffset Now = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly TrustDomain Domain = TrustDomain.Parse("td");
    private static readonly Jws Signer = new(ECDsa.Create(ECCurve.NamedCurves.nistP256));
    private static readonly TrustBundleSet Bundles = BundlesOf(Domain, Signer.Authority);

    public static IEnumerable<TheoryDataRow<string, string>> ForbiddenHeaders =>
    [
        Rule.Row("JWT-02", """{"alg":"ES256","kid":"k1","cty":"x"}""", "\"cty\""),
        Rule.Row("JWT-02", """{"alg":"ES256","kid":"k1","crit":["b64"],"b64":false}""", "\"crit\""),
        Rule.Row("JWT-02", """{"alg":"ES256","kid":"k1","jku":"https://evil.example/"}""", "\"jku\""),
        Rule.Row("JWT-02", """{"alg":"ES256","kid":"k1","https://td/x":1}""", "only alg, kid and typ"),
        Rule.Row("JWT-04", """{"alg":"none","kid":"k1"}""", "\"none\""),
        Rule.Row("JWT-04", """{"alg":"HS256","kid":"k1"}""", "\"HS256\""),
        Rule.Row("JWT-04", """{"alg":"EdDSA","kid":"k1"}""", "\"EdDSA\""),
        Rule.Row("JWT-04", """{"alg":"es256","kid":"k1"}""", "\"es256\""),
        Rule.Row("JWT-04", """{"kid":"k1"}""", "algorithm"),
        Rule.Row("JWT-13", """{"alg":"RS256","kid":"k1"}""", "does not fit its key"),
        Rule.Row("JWT-05", """{"alg":"ES256"}""", "no usable kid"),
        Rule.Row("JWT-05", """{"alg":"ES256","kid":"unknown"}""", "has no JWT key"),
        Rule.Row("JWT-06", """{"alg":"ES256","kid":"k1","typ":"at+jwt"}""", "typ"),
        Rule.Row("JWT-06", """{"alg":"ES256","kid":"k1","typ":"wit+jwt"}""", "typ"),
        Rule.Row("JWT-06", """{"alg":"ES256","kid":"k1","typ":"jwt"}""", "typ"),
    ];

    public static IEnumerable<TheoryDataRow<string, string>> ForbiddenClaims =>
    [
        Rule.Row("JWT-07", """{"aud":["spiffe://td/service"],"exp":1772366700}""", "sub"),
        Rule.Row("JWT-07", """{"sub":"user@td","aud":["spiffe://td/service"],"exp":1772366700}""", "sub"),
        Rule.Row("JWT-07", """{"sub":"spiffe://td","aud":["spiffe://td/service"],"exp":1772366700}""", "trust domain, not a workload"),
        Rule.Row("JWT-09", """{"sub":"spiffe://td/x","exp":1772366700}""", "aud"),
        Rule.Row("JWT-08", """{"sub":"spiffe://td/x","aud":[],"exp":1772366700}""", "aud"),
        Rule.Row("JWT-09", """{"sub":"spiffe://td/x","aud":["spiffe://td/other"],"exp":1772366700}""", "not meant for"),
        Rule.Row("JWT-09", """{"sub":"spiffe://td/x","aud":"SPIFFE://td/service","exp":1772366700}""", "not meant for"),
        Rule.Row("JWT-11", """{"sub":"spiffe://td/x","aud":["spiffe://td/service"]}""", "exp"),
        Rule.Row("JWT-11", """{"sub":"spiffe://td/x","aud":["spiffe://td/service"],"exp":"1772366700"}""", "exp"),
        Rule.Row("JWT-12", """{"sub":"spiffe://td/x","aud":["spiffe://td/service"],"exp":1772366389}""", "expired"),
        Rule.Row("JWT-13", """{"sub":"spiffe://td/x","aud":["spiffe://td/service"],"exp":1772366700,"nbf":1772366411}""", "not valid before"),
        Rule.Row("JWT-13", """{"sub":"spiffe://td/x","sub":"spiffe://td/y","aud":["spiffe://td/service"],"exp":1772366700}""", "twice"),
        Rule.Row("JWT-23", """{"sub":"spiffe://other/x","aud":["spiffe://td/service"],"exp":1772366700}""", "no trust bundle"),
    ];

    public static IEnumerable<TheoryDataRow<string, string>> Allowed =>
    [
        Rule.Row("JWT-06", Header, """{"sub":"spiffe://td/x","aud":["spiffe://td/service"],"exp":1772366700}"""),
        Rule.Row("JWT-06", """{"alg":"ES256","kid":"k1","typ":"JOSE"}""", """{"sub":"spiffe://td/x","aud":["spiffe://td/service"],"exp":1772366700}"""),
        Rule.Row("JWT-06", """{"alg":"ES256","kid":"k1"}""", """{"sub":"spiffe://td/x","aud":["spiffe://td/service"],"exp":1772366700}"""),
        Rule.Row("JWT-09", Header, """{"sub":"spiffe://td/x","aud":"spiffe://td/service","exp":1772366700}"""),
        Rule.Row("JWT-09", Header, """{"sub":"spiffe://td/x","aud":["a","spiffe://td/service"],"exp":1772366700}"""),
        Rule.Row("JWT-12", Header, """{"sub":"spiffe://td/x","aud":["spiffe://td/service"],"exp":1772366391}"""),
        Rule.Row("JWT-14", Header, """{"sub":"spiffe://td/x","aud":["spiffe://td/service"],"exp":1772366700,"https://td/claim":{"a":[1]}}"""),
        Rule.Row("JWT-21", Header, """{"sub":"spiffe://td/x","aud":["spiffe://td/service"],"exp":1772366700,"jti":"7"}"""),
    ];

    public static IEnumerable<TheoryDataRow<string>> Algorithms =>
        "ES256 ES384 ES512 RS256 RS384 RS512 PS256 PS384 PS512".Split(' ').Select(name => Rule.Row("JWT-03", name));

    [Theory]
    [MemberData(nameof(ForbiddenHeaders))]
    public void A_token_with_this_header_is_refused(string header, string reason) =>
        AssertRefused(reason, Signer.Sign(header, """{"sub":"spiffe://td/x","aud":["spiffe://td/service"],"exp":1772366700}"""));

    [Theory]
    [MemberData(nameof(ForbiddenClaims))]
    public void A_token_with_these_claims_is_refused(string claims, string reason) => AssertRefused(reason, Signer.Sign(Header, claims));

    [Theory]
    [MemberData(nameof(Allowed))]
    public void A_token_like_this_is_accepted(string header, string claims)
    {
        var verified = Assert.IsType<JwtSvidVerification.Verified>(Verify(Signer.Sign(header, claims)));
        Assert.Equal("spiffe://td/x", verified.Id.ToString());
    }

    [Theory]
    [MemberData(nameof(Algorithms))]
    public void Every_listed_algorithm_is_verified(string algorithm)
    {
        using AsymmetricAlgorithm key = algorithm switch
        {
            "ES256" => ECDsa.Create(ECCurve.NamedCurves.nistP256),
            "ES384" => ECDsa.Create(ECCurve.NamedCurves.nistP384),
            "ES512" => ECDsa.Create(ECCurve.NamedCurves.nistP521),
            _ => RSA.Create(2048),
        };
        var signer = new Jws(key);
        var token = signer.Sign(
            $$"""{"alg":"{{algorithm}}","kid":"k1"}""",
            """{"sub":"spiffe://td/x","aud":["spiffe://td/service"],"exp":1772366700}""",
            new HashAlgorithmName("SHA" + algorithm[2..]),
            algorithm[0] == 'P' ? RSASignaturePadding.Pss : RSASignaturePadding.Pkcs1);
        Assert.IsType<JwtSvidVerification.Verified>(JwtSvidVerifier.Verify(token, Audience, BundlesOf(Domain, signer.Authority), Now));
    }

    [Fact]
    [Trait(Rule.Trait, "JWT-01")]
    public void The_JSON_serialization_is_refused()
    {
        var parts = GoodToken().Split('.');
        AssertRefused("three base64url parts", $$"""{"payload":"{{parts[1]}}","protected":"{{parts[0]}}","signature":"{{parts[2]}}"}""");
        AssertRefused("three base64url parts", $$"""{"payload":"{{parts[1]}}","signatures":[{"protected":"{{parts[0]}}","signature":"{{parts[2]}}"}]}""");
    }

    [Fact]
    [Trait(Rule.Trait, "JWT-13")]
    public void A_token_signed_by_another_key_of_the_same_name_is_refused()
    {
        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        AssertRefused("signature", new Jws(other).Sign(Header, """{"sub":"spiffe://td/x","aud":["spiffe://td/service"],"exp":1772366700}"""));
    }

    [Fact]
    [Trait(Rule.Trait, "JWT-23")]
    public void A_token_of_one_trust_domain_is_not_verified_with_the_keys_of_another()
    {
        var federated = new TrustBundleSet([.. Bundles.Bundles, .. BundlesOf(TrustDomain.Parse("other"), new Jws(ECDsa.Create(ECCurve.NamedCurves.nistP256)).Authority).Bundles]);
        var token = Signer.Sign(Header, """{"sub":"spiffe://other/x","aud":["spiffe://td/service"],"exp":1772366700}""");
        var refused = Assert.IsType<JwtSvidVerification.Refused>(JwtSvidVerifier.Verify(token, Audience, federated, Now));
        Assert.Contains("signature", refused.Reason, StringComparison.Ordinal);
    }

    [Fact]
    [Trait(Rule.Trait, "JWT-01")]
    [Trait(Rule.Trait, "JWT-02")]
    [Trait(Rule.Trait, "JWT-03")]
    [Trait(Rule.Trait, "JWT-07")]
    [Trait(Rule.Trait, "JWT-08")]
    [Trait(Rule.Trait, "JWT-10")]
    [Trait(Rule.Trait, "JWT-11")]
    public void The_issuer_writes_the_three_headers_and_the_three_claims()
    {
        using var key = LocalAuthorityKey.Generate(SigningAlgorithm.Es256);
        Assert.True(JwtSigningAuthority.TryCreate(Domain, key, Now.AddHours(-1), Now.AddHours(1), out var authority, out var problem), problem);
        var issuer = new JwtSvidIssuer(authority, IssuanceProfile.Default);
        var prepared = Assert.IsType<JwtSvidPreparation.Prepared>(issuer.Prepare(new JwtSvidRequest(SpiffeId.Parse("spiffe://td/x"), [Audience]), Now));
        var token = issuer.Issue(prepared.Draft).Token;

        using var header = JsonDocument.Parse(Jws.Part(token, 0));
        Assert.Equal(["alg", "kid", "typ"], header.RootElement.EnumerateObject().Select(member => member.Name).Order(StringComparer.Ordinal));
        Assert.Equal("ES256", header.RootElement.GetProperty("alg").GetString());
        Assert.Equal("JWT", header.RootElement.GetProperty("typ").GetString());
        using var claims = JsonDocument.Parse(Jws.Part(token, 1));
        Assert.Equal("spiffe://td/x", claims.RootElement.GetProperty("sub").GetString());
        Assert.Equal(Audience, Assert.Single(claims.RootElement.GetProperty("aud").EnumerateArray()).GetString());
        Assert.Equal(Now.AddMinutes(5).ToUnixTimeSeconds(), claims.RootElement.GetProperty("exp").GetInt64());
    }

    // One is what §3.2 recommends. Who asks for several is given them, and never one more (docs/spec-divergences.md).
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(16)]
    [Trait(Rule.Trait, "JWT-10")]
    public void The_issuer_writes_the_audiences_that_were_asked_for_and_no_other(int count)
    {
        using var key = LocalAuthorityKey.Generate(SigningAlgorithm.Es256);
        Assert.True(JwtSigningAuthority.TryCreate(Domain, key, Now.AddHours(-1), Now.AddHours(1), out var authority, out var problem), problem);
        var issuer = new JwtSvidIssuer(authority, IssuanceProfile.Default);
        var asked = Enumerable.Range(0, count).Select(i => $"spiffe://td/service-{i}").ToArray();
        var prepared = Assert.IsType<JwtSvidPreparation.Prepared>(issuer.Prepare(new JwtSvidRequest(SpiffeId.Parse("spiffe://td/x"), asked), Now));
        var token = issuer.Issue(prepared.Draft).Token;
        using var claims = JsonDocument.Parse(Jws.Part(token, 1));
        Assert.Equal(asked, claims.RootElement.GetProperty("aud").EnumerateArray().Select(name => name.GetString()));
        var bundles = BundlesOf(Domain, authority.Public);
        Assert.All(asked, audience => Assert.IsType<JwtSvidVerification.Verified>(JwtSvidVerifier.Verify(token, audience, bundles, Now)));
        var refused = Assert.IsType<JwtSvidVerification.Refused>(JwtSvidVerifier.Verify(token, $"spiffe://td/service-{count}", bundles, Now));
        Assert.Contains("is not meant for", refused.Reason, StringComparison.Ordinal);
    }

    [Fact]
    [Trait(Rule.Trait, "JWT-08")]
    public void The_issuer_signs_nothing_without_an_audience()
    {
        using var key = LocalAuthorityKey.Generate(SigningAlgorithm.Es256);
        Assert.True(JwtSigningAuthority.TryCreate(Domain, key, Now.AddHours(-1), Now.AddHours(1), out var authority, out var problem), problem);
        var refused = Assert.IsType<JwtSvidPreparation.Refused>(
            new JwtSvidIssuer(authority, IssuanceProfile.Default).Prepare(new JwtSvidRequest(SpiffeId.Parse("spiffe://td/x"), []), Now));
        Assert.Contains("audience", refused.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void The_vectors_are_written_for_the_time_they_are_verified_at() =>
        Assert.Equal("1772366400", Now.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture));

    private static string GoodToken() => Signer.Sign(Header, """{"sub":"spiffe://td/x","aud":["spiffe://td/service"],"exp":1772366700}""");

    private static JwtSvidVerification Verify(string token) => JwtSvidVerifier.Verify(token, Audience, Bundles, Now);

    private static void AssertRefused(string reason, string token) =>
        Assert.Contains(reason, Assert.IsType<JwtSvidVerification.Refused>(Verify(token)).Reason, StringComparison.Ordinal);

    private static TrustBundleSet BundlesOf(TrustDomain trustDomain, JwtAuthority authority) =>
        TrustBundle.TryCreate(trustDomain, [], [authority], null, null, out var bundle, out var problem)
            ? new TrustBundleSet(bundle)
            : throw new InvalidOperationException(problem);
}
