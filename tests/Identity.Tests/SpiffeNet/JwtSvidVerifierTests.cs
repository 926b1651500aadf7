using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using Spiffe.Net;
using Xunit;

namespace Identity.Tests.SpiffeNet;

public class JwtSvidVerifierTests
{
    private const string Audience = "spiffe://example.org/nats";

    private static readonly DateTimeOffset Now = JwtForge.Now;
    private static readonly JwtForge Forge = JwtForge.Es256();
    private static readonly TrustBundleSet Bundles = Forge.Bundles();

    [Fact]
    public void Accepts_a_token_meant_for_us()
    {
        var verified = Assert.IsType<JwtSvidVerification.Verified>(Verify(Forge.Sign(JwtForge.GoodHeader, JwtForge.GoodClaims)));
        Assert.Equal("spiffe://example.org/hosts/local", verified.Id.ToString());
        Assert.Equal(Now.AddMinutes(5), verified.Svid.ExpiresAt);
        Assert.Equal([Audience], verified.Svid.Audience);
        Assert.Equal("k1", verified.Svid.KeyId);
    }

    [Theory]
    [InlineData("\"spiffe://example.org/nats\"")]
    [InlineData("[\"other\",\"spiffe://example.org/nats\"]")]
    public void Accepts_an_audience_as_string_or_as_array(string aud) =>
        Assert.IsType<JwtSvidVerification.Verified>(Verify(Forge.Sign(JwtForge.GoodHeader, JwtForge.Claims(aud: aud))));

    [Theory]
    [InlineData("""{"alg":"ES256","kid":"k1"}""")]
    [InlineData("""{"alg":"ES256","kid":"k1","typ":"JOSE"}""")]
    [InlineData("""{"typ":"JWT","kid":"k1","alg":"ES256"}""")]
    public void Accepts_the_headers_of_the_specification(string header) =>
        Assert.IsType<JwtSvidVerification.Verified>(Verify(Forge.Sign(header, JwtForge.GoodClaims)));

    public static TheoryData<string, string, string> Algorithms => new()
    {
        { "RS256", "SHA256", "Pkcs1" }, { "RS384", "SHA384", "Pkcs1" }, { "RS512", "SHA512", "Pkcs1" },
        { "PS256", "SHA256", "Pss" }, { "PS384", "SHA384", "Pss" }, { "PS512", "SHA512", "Pss" },
        { "ES384", "SHA384", "nistP384" }, { "ES512", "SHA512", "nistP521" },
    };

    [Theory]
    [MemberData(nameof(Algorithms))]
    public void Accepts_every_algorithm_of_the_specification(string name, string hash, string kind)
    {
        AsymmetricAlgorithm key = name[0] == 'E' ? ECDsa.Create(ECCurve.CreateFromFriendlyName(kind)) : RSA.Create(2048);
        var forge = new JwtForge(key);
        var padding = kind == "Pss" ? RSASignaturePadding.Pss : RSASignaturePadding.Pkcs1;
        var token = forge.Sign($$"""{"alg":"{{name}}","kid":"k1"}""", JwtForge.GoodClaims, new HashAlgorithmName(hash), padding);
        Assert.IsType<JwtSvidVerification.Verified>(JwtSvidVerifier.Verify(token, Audience, forge.Bundles(), Now));
    }

    // RFC 7519 §4.1.1, §4.1.7: strings, where they are there.
    [Theory]
    [InlineData("\"jti\":5")]
    [InlineData("\"jti\":[\"a\"]")]
    [InlineData("\"jti\":null")]
    [InlineData("\"iss\":5")]
    [InlineData("\"iss\":[\"a\"]")]
    [InlineData("\"iss\":null")]
    public void Refuses_an_issuer_or_a_token_ID_that_is_no_string(string member) =>
        Assert.Contains(
            "jti or iss is not a string",
            Assert.IsType<JwtSvidVerification.Refused>(Verify(Forge.Sign(JwtForge.GoodHeader, JwtForge.Claims(more: member)))).Reason,
            StringComparison.Ordinal);

    [Fact]
    public void Accepts_an_issuer_and_a_token_ID_and_their_absence()
    {
        var verified = Assert.IsType<JwtSvidVerification.Verified>(Verify(Forge.Sign(JwtForge.GoodHeader, JwtForge.Claims(more: "\"iss\":\"https://example.org\",\"jti\":\"\""))));
        Assert.Equal("", verified.Svid.TokenId);
        Assert.Null(Assert.IsType<JwtSvidVerification.Verified>(Verify(Forge.Sign(JwtForge.GoodHeader, JwtForge.GoodClaims))).Svid.TokenId);
    }

    public static TheoryData<string, string> BadHeaders => new()
    {
        { """{"alg":"none","kid":"k1"}""", "\"none\" is not allowed" },
        { """{"alg":"None","kid":"k1"}""", "is not allowed" },
        { """{"alg":"","kid":"k1"}""", "is not allowed" },
        { """{"kid":"k1"}""", "is not allowed" },
        { """{"alg":null,"kid":"k1"}""", "is not allowed" },
        { """{"alg":["ES256"],"kid":"k1"}""", "is not allowed" },
        { """{"alg":"HS256","kid":"k1"}""", "\"HS256\" is not allowed" },
        { """{"alg":"HS512","kid":"k1"}""", "is not allowed" },
        { """{"alg":"EdDSA","kid":"k1"}""", "is not allowed" },
        { """{"alg":"es256","kid":"k1"}""", "is not allowed" },
        { """{"alg":"ES256K","kid":"k1"}""", "is not allowed" },
        { """{"alg":"RS256","kid":"k1"}""", "does not fit its key" },
        { """{"alg":"PS256","kid":"k1"}""", "does not fit its key" },
        { """{"alg":"ES384","kid":"k1"}""", "does not fit its key" },
        { """{"alg":"ES256"}""", "no usable kid" },
        { """{"alg":"ES256","kid":""}""", "no usable kid" },
        { """{"alg":"ES256","kid":7}""", "no usable kid" },
        { """{"alg":"ES256","kid":"k2"}""", "no JWT key \"k2\"" },
        { """{"alg":"ES256","kid":"K1"}""", "no JWT key" },
        { """{"alg":"ES256","kid":"k1","typ":"jwt"}""", "typ" },
        { """{"alg":"ES256","kid":"k1","typ":"at+jwt"}""", "typ" },
        { """{"alg":"ES256","kid":"k1","typ":1}""", "typ" },
        { """{"alg":"ES256","kid":"k1","jwk":{"kty":"EC"}}""", "\"jwk\"" },
        { """{"alg":"ES256","kid":"k1","jku":"https://evil.example/"}""", "\"jku\"" },
        { """{"alg":"ES256","kid":"k1","x5c":[]}""", "\"x5c\"" },
        { """{"alg":"ES256","kid":"k1","crit":["exp"]}""", "\"crit\"" },
        { """{"alg":"ES256","kid":"k1","b64":false}""", "\"b64\"" },
        { """{"alg":"ES256","kid":"k1","mine":1}""", "\"mine\"" },
        { """{"alg":"ES256","alg":"none","kid":"k1"}""", "twice" },
        { """{"alg":"ES256","kid":"k1","kid":"k1"}""", "twice" },
        { """{"alg":"ES256","\u0061lg":"none","kid":"k1"}""", "twice" },
        { """["ES256"]""", "not a JSON object" },
        { "{", "not a JSON object" },
        { "", "not a JSON object" },
    };

    [Theory]
    [MemberData(nameof(BadHeaders))]
    public void Refuses_a_header_such_as(string header, string reason) => AssertRefused(reason, Verify(Forge.Sign(header, JwtForge.GoodClaims)));

    public static TheoryData<string, string> BadClaims => new()
    {
        { JwtForge.Claims(sub: null), "sub" },
        { JwtForge.Claims(sub: "\"\""), "sub" },
        { JwtForge.Claims(sub: "7"), "sub" },
        { JwtForge.Claims(sub: "\"alice\""), "sub" },
        { JwtForge.Claims(sub: "\"spiffe://example.org\""), "names a trust domain" },
        { JwtForge.Claims(sub: "\"spiffe://example.org/\""), "sub" },
        { JwtForge.Claims(sub: "\"spiffe://example.org/%61\""), "sub" },
        { JwtForge.Claims(sub: "\"\\ud800\""), "Unicode" },
        { JwtForge.Claims(sub: "\"spiffe://other.org/hosts/local\""), "no trust bundle for the trust domain other.org" },
        { JwtForge.Claims(aud: null), "aud" },
        { JwtForge.Claims(aud: "[]"), "aud" },
        { JwtForge.Claims(aud: "\"\""), "aud" },
        { JwtForge.Claims(aud: "[\"spiffe://example.org/nats\",7]"), "aud" },
        { JwtForge.Claims(aud: "{\"spiffe://example.org/nats\":1}"), "aud" },
        { JwtForge.Claims(aud: "null"), "aud" },
        { JwtForge.Claims(aud: "\"spiffe://example.org/nats2\""), "not meant for" },
        { JwtForge.Claims(aud: "\"SPIFFE://example.org/nats\""), "not meant for" },
        { JwtForge.Claims(aud: "\"spiffe://example.org/nats \""), "not meant for" },
        { JwtForge.Claims(exp: ""), "exp" },
        { JwtForge.Claims(exp: "null"), "exp" },
        { JwtForge.Claims(exp: "\"4102444800\""), "exp" },
        { JwtForge.Claims(exp: "-1"), "exp" },
        { JwtForge.Claims(exp: "1e300"), "exp" },
        { JwtForge.Claims(exp: "99999999999999999999"), "exp" },
        { JwtForge.Claims(exp: JwtForge.Seconds(Now.AddSeconds(-11))), "expired" },
        { JwtForge.Claims(more: $"\"nbf\":{JwtForge.Seconds(Now.AddSeconds(11))}"), "not valid before" },
        { JwtForge.Claims(more: $"\"iat\":{JwtForge.Seconds(Now.AddSeconds(11))}"), "in the future" },
        { JwtForge.Claims(more: "\"nbf\":\"soon\""), "nbf" },
        { JwtForge.Claims(more: "\"sub\":\"spiffe://example.org/admin\""), "twice" },
        { JwtForge.Claims(more: "\"aud\":\"x\""), "twice" },
        { JwtForge.Claims(more: "\"exp\":4102444800"), "twice" },
        { JwtForge.Claims(more: "\"\\u0073ub\":\"spiffe://example.org/admin\""), "twice" },
        { JwtForge.Claims(more: "\"deep\":" + new string('[', 40) + new string(']', 40)), "not a JSON object" },
        { JwtForge.GoodClaims + "{}", "not a JSON object" },
        { "[]", "not a JSON object" },
        { "null", "not a JSON object" },
    };

    [Theory]
    [MemberData(nameof(BadClaims))]
    public void Refuses_claims_such_as(string claims, string reason) => AssertRefused(reason, Verify(Forge.Sign(JwtForge.GoodHeader, claims)));

    [Fact]
    public void Refuses_a_token_with_its_signature_cut_off_or_emptied()
    {
        var token = Forge.Sign(JwtForge.GoodHeader, JwtForge.GoodClaims);
        var signedPart = token[..token.LastIndexOf('.')];
        AssertRefused("three base64url parts", Verify(signedPart));
        AssertRefused("three base64url parts", Verify(signedPart + "."));
        AssertRefused("three base64url parts", Verify(token + "."));
        AssertRefused("three base64url parts", Verify(token + ".AAAA"));
    }

    [Fact]
    public void Refuses_a_token_signed_with_the_public_key_as_a_shared_secret()
    {
        var signedPart = $"{JwtForge.Encode("""{"alg":"HS256","kid":"k1"}""")}.{JwtForge.Encode(JwtForge.GoodClaims)}";
        var mac = HMACSHA256.HashData(Forge.Authority.SubjectPublicKeyInfo.Span, Encoding.ASCII.GetBytes(signedPart));
        AssertRefused("HS256", Verify($"{signedPart}.{Base64Url.EncodeToString(mac)}"));
    }

    [Fact]
    public void Refuses_a_signature_of_zeros_and_one_in_DER()
    {
        var token = Forge.Sign(JwtForge.GoodHeader, JwtForge.GoodClaims);
        var signedPart = token[..token.LastIndexOf('.')];
        AssertRefused("signature", Verify($"{signedPart}.{Base64Url.EncodeToString(new byte[64])}"));
        var p1363 = Base64Url.DecodeFromChars(token.AsSpan(token.LastIndexOf('.') + 1));
        byte[] der = [0x30, 0x46, 0x02, 0x21, 0x00, .. p1363[..32], 0x02, 0x21, 0x00, .. p1363[32..]];
        AssertRefused("signature", Verify($"{signedPart}.{Base64Url.EncodeToString(der)}"));
    }

    [Fact]
    public void Refuses_a_token_of_another_key_with_the_same_key_ID() =>
        AssertRefused("signature", Verify(JwtForge.Es256().Sign(JwtForge.GoodHeader, JwtForge.GoodClaims)));

    [Fact]
    public void Refuses_a_token_of_one_trust_domain_signed_by_the_key_of_another()
    {
        var other = JwtForge.Es256();
        var bundles = Bundles.With(other.Bundles("other.org").Bundles.Single());
        AssertRefused("signature", JwtSvidVerifier.Verify(other.Sign(JwtForge.GoodHeader, JwtForge.GoodClaims), Audience, bundles, Now));
    }

    [Fact]
    public void Refuses_claims_under_a_signature_for_others()
    {
        var parts = Forge.Sign(JwtForge.GoodHeader, JwtForge.GoodClaims).Split('.');
        var admin = JwtForge.Encode(JwtForge.Claims(sub: "\"spiffe://example.org/admin\""));
        AssertRefused("signature", Verify($"{parts[0]}.{admin}.{parts[2]}"));
    }

    [Fact]
    public void Refuses_every_token_with_one_changed_character()
    {
        var token = Forge.Sign(JwtForge.GoodHeader, JwtForge.GoodClaims);
        for (var position = 0; position < token.Length; position += 3)
        {
            var changed = token.ToCharArray();
            changed[position] = changed[position] == 'A' ? 'B' : 'A';
            Assert.IsType<JwtSvidVerification.Refused>(Verify(new string(changed)));
        }
    }

    [Fact]
    public void Gives_a_token_exactly_one_spelling()
    {
        var token = Forge.Sign(JwtForge.GoodHeader, JwtForge.GoodClaims);
        AssertRefused("base64url", Verify(token + "="));
        AssertRefused("base64url", Verify(token + "\n"));
        AssertRefused("base64url", Verify(" " + token));
        AssertRefused("base64url", Verify(token.Insert(5, " ")));

        // 64 bytes end in a character with four bits to spare; setting one must not give a second valid token.
        const string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        var last = alphabet.IndexOf(token[^1], StringComparison.Ordinal);
        AssertRefused("base64url", Verify(token[..^1] + alphabet[last ^ 1]));
    }

    [Fact]
    public void Refuses_a_token_beyond_eight_kilobytes()
    {
        var long_ = Forge.Sign(JwtForge.GoodHeader, JwtForge.Claims(more: $"\"pad\":\"{new string('x', 8192)}\""));
        AssertRefused("expected 1 to 8192", Verify(long_));
    }

    [Theory]
    [InlineData("", "expected 1 to 8192")]
    [InlineData(".", "not three base64url parts")]
    [InlineData("..", "not three base64url parts")]
    [InlineData("a.b.c", "not three base64url parts")]
    [InlineData("{\"payload\":\"\",\"signatures\":[]}", "not three base64url parts")]
    public void Refuses_what_is_no_token_at_all(string text, string reason) => AssertRefused(reason, Verify(text));

    [Fact]
    public void Allows_clocks_to_differ_by_the_leeway_and_no_more()
    {
        var token = Forge.Sign(JwtForge.GoodHeader, JwtForge.GoodClaims);
        var end = Now.AddMinutes(5);
        Assert.IsType<JwtSvidVerification.Verified>(JwtSvidVerifier.Verify(token, Audience, Bundles, end.AddTicks(-1), TimeSpan.Zero));
        AssertRefused("expired", JwtSvidVerifier.Verify(token, Audience, Bundles, end, TimeSpan.Zero));
        Assert.IsType<JwtSvidVerification.Verified>(JwtSvidVerifier.Verify(token, Audience, Bundles, end.AddSeconds(59), JwtSvidVerifier.MaxLeeway));
        AssertRefused("expired", JwtSvidVerifier.Verify(token, Audience, Bundles, end.AddSeconds(60), JwtSvidVerifier.MaxLeeway));
        Assert.Throws<ArgumentOutOfRangeException>(() => JwtSvidVerifier.Verify(token, Audience, Bundles, end, TimeSpan.FromSeconds(61)));
    }

    [Fact]
    public void Never_repeats_the_token_in_a_reason()
    {
        var token = Forge.Sign(JwtForge.GoodHeader, JwtForge.Claims(aud: "\"x\""));
        var refused = Assert.IsType<JwtSvidVerification.Refused>(Verify(token));
        Assert.DoesNotContain(token[..20], refused.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void A_parsed_token_does_not_print_itself()
    {
        var token = Forge.Sign(JwtForge.GoodHeader, JwtForge.GoodClaims);
        var verified = Assert.IsType<JwtSvidVerification.Verified>(Verify(token));
        Assert.DoesNotContain(token[..20], $"{verified} {verified.Svid}", StringComparison.Ordinal);
    }

    private static JwtSvidVerification Verify(string token) => JwtSvidVerifier.Verify(token, Audience, Bundles, Now);

    private static void AssertRefused(string reason, JwtSvidVerification verification) =>
        Assert.Contains(reason, Assert.IsType<JwtSvidVerification.Refused>(verification).Reason, StringComparison.Ordinal);
}
