using System.Buffers.Text;
using System.Numerics;
using System.Security.Cryptography;
using System.Text;
using Spiffe.Net;
using Xunit;

namespace Identity.Tests.SpiffeNet;

/// <summary>RFC 8725, JSON Web Token Best Current Practices, point by point against the verifier of JWT-SVIDs.</summary>
public class JwtBestPracticeTests
{
    private const string Audience = "spiffe://example.org/nats";

    private static readonly DateTimeOffset Now = JwtForge.Now;
    private static readonly JwtForge Forge = JwtForge.Es256();
    private static readonly TrustBundleSet Bundles = Forge.Bundles();

    // §2.1, §3.1, §3.2: the algorithm is one of a list, fits the key, and is never none.
    [Theory]
    [InlineData("none")]
    [InlineData("NONE")]
    [InlineData("HS256")]
    [InlineData("HS384")]
    [InlineData("HS512")]
    [InlineData("EdDSA")]
    [InlineData("ES256K")]
    [InlineData("RSA1_5")]
    [InlineData("A128KW")]
    [InlineData("ES256 ")]
    [Trait("rule", "JWT-04")]
    public void Section_3_1_an_algorithm_off_the_list_is_refused_even_without_a_signature_to_check(string name)
    {
        var signedPart = $"{JwtForge.Encode($$"""{"alg":"{{name}}","kid":"k1"}""")}.{JwtForge.Encode(JwtForge.GoodClaims)}";
        AssertRefused("is not allowed", Verify(signedPart + ".AA"));
    }

    [Fact]
    [Trait("rule", "JWT-13")]
    public void Section_3_1_a_key_of_one_kind_is_not_used_as_another()
    {
        using var rsaKey = RSA.Create(2048);
        var rsa = new JwtForge(rsaKey);
        using var p384Key = ECDsa.Create(ECCurve.NamedCurves.nistP384);
        var p384 = new JwtForge(p384Key);
        var good = """{"alg":"ES256","kid":"k1"}""";
        AssertRefused("does not fit its key", Verify(Forge.Sign(good, JwtForge.GoodClaims), rsa.Bundles()));
        AssertRefused("does not fit its key", Verify(Forge.Sign(good, JwtForge.GoodClaims), p384.Bundles()));
        AssertRefused("does not fit its key", Verify(p384.Sign(good, JwtForge.GoodClaims), p384.Bundles()));
        AssertRefused("does not fit its key", Verify(rsa.Sign("""{"alg":"RS256","kid":"k1"}""", JwtForge.GoodClaims)));

        // PKCS#1 signatures are not PSS signatures, and a hash is not another.
        AssertRefused("signature", Verify(rsa.Sign("""{"alg":"PS256","kid":"k1"}""", JwtForge.GoodClaims), rsa.Bundles()));
        AssertRefused("signature", Verify(rsa.Sign("""{"alg":"RS512","kid":"k1"}""", JwtForge.GoodClaims), rsa.Bundles()));
    }

    [Fact]
    [Trait("rule", "JWT-04")]
    public void Section_2_1_an_RSA_public_key_does_not_serve_as_a_shared_secret()
    {
        using var key = RSA.Create(2048);
        var rsa = new JwtForge(key);
        var signedPart = $"{JwtForge.Encode("""{"alg":"HS256","kid":"k1"}""")}.{JwtForge.Encode(JwtForge.GoodClaims)}";
        foreach (var secret in new[] { key.ExportSubjectPublicKeyInfo(), Encoding.ASCII.GetBytes(key.ExportSubjectPublicKeyInfoPem()), key.ExportRSAPublicKey() })
        {
            var mac = HMACSHA256.HashData(secret, Encoding.ASCII.GetBytes(signedPart));
            AssertRefused("\"HS256\" is not allowed", Verify($"{signedPart}.{Base64Url.EncodeToString(mac)}", rsa.Bundles()));
        }
    }

    // §3.3, §3.4: signatures are validated whole.
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(63)]
    [InlineData(65)]
    [InlineData(128)]
    [Trait("rule", "JWT-13")]
    public void Section_3_3_a_signature_of_another_length_is_refused(int length)
    {
        var token = Good();
        var signature = Base64Url.DecodeFromChars(token.AsSpan(token.LastIndexOf('.') + 1));
        Array.Resize(ref signature, length);
        AssertRefused(length == 0 ? "not three base64url parts" : "the signature of the token", Verify($"{token[..token.LastIndexOf('.')]}.{Base64Url.EncodeToString(signature)}"));
    }

    [Fact]
    [Trait("rule", "JWT-13")]
    public void Section_3_4_numbers_of_a_signature_are_in_range()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP521);
        var forge = new JwtForge(key);
        var token = forge.Sign("""{"alg":"ES512","kid":"k1"}""", JwtForge.GoodClaims, HashAlgorithmName.SHA512);
        Assert.IsType<JwtSvidVerification.Verified>(Verify(token, forge.Bundles()));

        // 66 bytes hold more than the order of P-521, so s + n fits: the same signature in another spelling, unless the range is checked.
        var order = Number(key.ExportExplicitParameters(false).Curve.Order);
        var signature = Base64Url.DecodeFromChars(token.AsSpan(token.LastIndexOf('.') + 1));
        var (r, s) = (Number(signature.AsSpan(0, 66)), Number(signature.AsSpan(66)));
        foreach (var (otherR, otherS) in new[] { (r, s + order), (r + order, s), (BigInteger.Zero, s), (r, BigInteger.Zero), (order, s), (r, order) })
        {
            AssertRefused("signature", Verify(With(token, Bytes(otherR, 66), Bytes(otherS, 66)), forge.Bundles()));
        }
    }

    [Fact]
    [Trait("rule", "JWT-21")]
    public void Section_3_4_the_other_half_of_a_signature_is_as_good_so_only_the_jti_names_a_token()
    {
        // RFC 7518 §3.4 asks for no low s, and half of all signers' signatures have a high one: (r, n-s) is a signature too. The claims are the same.
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var order = Number(key.ExportExplicitParameters(false).Curve.Order);
        var token = Forge.Sign(JwtForge.GoodHeader, JwtForge.Claims(more: "\"jti\":\"one\""));
        var signature = Base64Url.DecodeFromChars(token.AsSpan(token.LastIndexOf('.') + 1));
        var other = With(token, signature[..32], Bytes(order - Number(signature.AsSpan(32)), 32));
        Assert.NotEqual(token, other);
        Assert.Equal("one", Assert.IsType<JwtSvidVerification.Verified>(Verify(other)).Svid.TokenId);
    }

    // §3.5: weak keys.
    [Fact]
    [Trait("rule", "JWT-19")]
    public void Section_3_5_a_weak_key_does_not_become_an_authority()
    {
        using var weak = RSA.Create(1024);
        Assert.False(JwtAuthority.TryCreate("k1", weak.ExportSubjectPublicKeyInfo(), out _, out var problem));
        Assert.Contains("2048", problem, StringComparison.Ordinal);
        using var unlisted = ECDsa.Create(ECCurve.CreateFromFriendlyName("secp256k1"));
        Assert.False(JwtAuthority.TryCreate("k1", unlisted.ExportSubjectPublicKeyInfo(), out _, out problem));
        Assert.Contains("P-256, P-384 or P-521", problem, StringComparison.Ordinal);
        Assert.False(JwtAuthority.TryCreate(new string('k', 257), Forge.Authority.SubjectPublicKeyInfo, out _, out problem));
        Assert.Contains("256", problem, StringComparison.Ordinal);
    }

    // §3.6, §3.7: no compression, no encryption; UTF-8 only.
    [Theory]
    [InlineData("""{"alg":"ES256","kid":"k1","zip":"DEF"}""")]
    [InlineData("""{"alg":"ES256","kid":"k1","enc":"A128GCM"}""")]
    [InlineData("""{"alg":"ES256","kid":"k1","x5u":"https://evil.example/"}""")]
    [InlineData("""{"alg":"ES256","kid":"k1","x5t":"AAAA"}""")]
    [InlineData("""{"alg":"ES256","kid":"k1","cty":"JWT"}""")]
    [Trait("rule", "JWT-02")]
    public void Section_3_6_a_header_that_asks_for_more_is_refused(string header) =>
        AssertRefused("only alg, kid and typ", Verify(Forge.Sign(header, JwtForge.GoodClaims)));

    [Theory]
    [InlineData("\"x\":\"\\ud800\"")]
    [InlineData("\"x\":\"\\udc00\\ud800\"")]
    [InlineData("\"\\ud800\":1")]
    [InlineData("\"x\":{\"\\udfff\":1}")]
    [InlineData("\"aud2\":[\"\\ud83d\"]")]
    public void Section_3_7_half_a_character_is_no_text(string more) => AssertRefused("Unicode", Verify(Forge.Sign(JwtForge.GoodHeader, JwtForge.Claims(more: more))));

    [Theory]
    [InlineData("sub")]
    [InlineData("aud")]
    [InlineData("jti")]
    [InlineData("kid")]
    public void Section_3_7_bytes_that_are_not_UTF8_are_no_text(string member)
    {
        var header = """{"alg":"ES256","kid":"k1"}"""u8.ToArray();
        var claims = Encoding.UTF8.GetBytes(JwtForge.Claims(aud: $"\"{Audience}\"", more: "\"jti\":\"x\""));
        var target = member == "kid" ? header : claims;
        var position = Encoding.UTF8.GetString(target).IndexOf($"\"{member}\":", StringComparison.Ordinal) + member.Length + 4;
        Assert.IsType<JwtSvidVerification.Verified>(Verify(Forge.SignEncoded(Base64Url.EncodeToString(header), Base64Url.EncodeToString(claims))));
        target[position] = 0xFF;
        AssertRefused("Unicode", Verify(Forge.SignEncoded(Base64Url.EncodeToString(header), Base64Url.EncodeToString(claims))));
    }

    // §3.8: who issued it, and about whom.
    [Fact]
    [Trait("rule", "JWT-23")]
    public void Section_3_8_a_subject_is_vouched_for_by_its_own_trust_domain_alone()
    {
        var other = JwtForge.Es256();
        var both = Bundles.With(other.Bundles("other.example").Bundles.Single());
        var foreign = JwtForge.Claims(sub: "\"spiffe://other.example/hosts/local\"");
        AssertRefused("no trust bundle for the trust domain other.example", Verify(Forge.Sign(JwtForge.GoodHeader, foreign)));
        AssertRefused("signature", Verify(Forge.Sign(JwtForge.GoodHeader, foreign), both));
        AssertRefused("signature", Verify(other.Sign(JwtForge.GoodHeader, JwtForge.GoodClaims), both));
        Assert.IsType<JwtSvidVerification.Verified>(Verify(other.Sign(JwtForge.GoodHeader, foreign), both));
    }

    [Theory]
    [InlineData("\"https://other.example\"")]
    [InlineData("\"spiffe://other.example\"")]
    [InlineData("\"\"")]
    [Trait("rule", "JWT-14")]
    public void Section_3_8_no_key_is_chosen_by_who_a_token_says_issued_it(string iss)
    {
        var other = JwtForge.Es256();
        var both = Bundles.With(other.Bundles("other.example").Bundles.Single());
        var claims = JwtForge.Claims(more: $"\"iss\":{iss}");
        Assert.IsType<JwtSvidVerification.Verified>(Verify(Forge.Sign(JwtForge.GoodHeader, claims), both));
        AssertRefused("signature", Verify(other.Sign(JwtForge.GoodHeader, claims), both));
    }

    // §3.9: for whom, and for how long.
    [Theory]
    [InlineData("\"spiffe://example.org/nats\"", true)]
    [InlineData("[\"spiffe://example.org/nats\"]", true)]
    [InlineData("[\"a\",\"spiffe://example.org/nats\",\"b\"]", true)]
    [InlineData("[\"spiffe://example.org/nats\",\"spiffe://example.org/nats\"]", true)]
    [InlineData("[\"spiffe:\\/\\/example.org\\/nats\"]", true)]
    [InlineData("[\"spiffe://example.org/nat\"]", false)]
    [InlineData("[[\"spiffe://example.org/nats\"]]", false)]
    [InlineData("\"a spiffe://example.org/nats\"", false)]
    [InlineData("\"*\"", false)]
    [Trait("rule", "JWT-09")]
    public void Section_3_9_an_audience_is_one_of_a_set(string aud, bool isMeant) =>
        Assert.Equal(isMeant, Verify(Forge.Sign(JwtForge.GoodHeader, JwtForge.Claims(aud: aud))) is JwtSvidVerification.Verified);

    [Theory]
    [InlineData("1e999")]
    [InlineData("-1e999")]
    [InlineData("-0.5")]
    [InlineData("253402300800")]
    [InlineData("18446744073709551616")]
    [InlineData("true")]
    [InlineData("[4102444800]")]
    [InlineData("\"1e3\"")]
    [Trait("rule", "JWT-11")]
    public void Section_3_9_an_expiry_that_is_no_time_is_refused(string exp) => AssertRefused("exp", Verify(Forge.Sign(JwtForge.GoodHeader, JwtForge.Claims(exp: exp))));

    [Theory]
    [InlineData(".5", true)]
    [InlineData(".999999999999", true)]
    [InlineData("e0", true)]
    [Trait("rule", "JWT-12")]
    public void Section_3_9_an_expiry_may_have_a_fraction(string suffix, bool isValid) =>
        Assert.Equal(isValid, Verify(Forge.Sign(JwtForge.GoodHeader, JwtForge.Claims(exp: JwtForge.Seconds(Now.AddMinutes(5)) + suffix))) is JwtSvidVerification.Verified);

    [Fact]
    [Trait("rule", "JWT-12")]
    [Trait("rule", "JWT-13")]
    public void Section_3_9_a_token_ends_at_its_expiry_and_not_after_it()
    {
        var token = Good();
        var end = Now.AddMinutes(5);
        Assert.IsType<JwtSvidVerification.Verified>(JwtSvidVerifier.Verify(token, Audience, Bundles, end.AddTicks(-1), TimeSpan.Zero));
        AssertRefused("expired", JwtSvidVerifier.Verify(token, Audience, Bundles, end, TimeSpan.Zero));
        AssertRefused("expired", JwtSvidVerifier.Verify(token, Audience, Bundles, end.AddSeconds(10)));
    }

    [Theory]
    [InlineData("iat")]
    [InlineData("nbf")]
    [Trait("rule", "JWT-13")]
    public void Section_3_9_a_token_of_the_far_future_is_refused(string claim)
    {
        var early = claim is "iat" ? "in the future" : "not valid before";
        const string never = "iat or nbf is not a number of seconds";
        foreach (var (seconds, reason) in new[] { (JwtForge.Seconds(Now.AddYears(50)), early), (JwtForge.Seconds(Now.AddSeconds(11)), early), ("1e999", never), ("-1", never), ("\"now\"", never) })
        {
            AssertRefused(reason, Verify(Forge.Sign(JwtForge.GoodHeader, JwtForge.Claims(more: $"\"{claim}\":{seconds}"))));
        }
    }

    [Theory]
    [InlineData("253402300799")]
    [InlineData("253402300799.99996")]
    [Trait("rule", "JWT-12")]
    public void Section_3_9_the_last_second_there_is_may_be_an_expiry_whoever_names_it(string seconds)
    {
        var claims = JwtForge.Claims(exp: seconds);
        Assert.IsType<JwtSvidVerification.Verified>(Verify(Forge.Sign(JwtForge.GoodHeader, claims)));
        using var stranger = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        AssertRefused("signature", Verify(new JwtForge(stranger, "k1").Sign(JwtForge.GoodHeader, claims)));
    }

    // §3.10: nothing the token says is fetched or looked up but its kid, exactly.
    [Theory]
    [InlineData("k1 ")]
    [InlineData("K1")]
    [InlineData("../k1")]
    [InlineData("k1' OR '1'='1")]
    [InlineData("k1\\u0000")]
    [Trait("rule", "JWT-05")]
    public void Section_3_10_a_kid_is_a_name_and_nothing_else(string keyId) =>
        AssertRefused("has no JWT key", Verify(Forge.Sign($$"""{"alg":"ES256","kid":"{{keyId}}"}""", JwtForge.GoodClaims)));

    [Fact]
    [Trait("rule", "JWT-05")]
    public void Section_3_10_a_kid_is_not_endless() =>
        AssertRefused("no usable kid", Verify(Forge.Sign($$"""{"alg":"ES256","kid":"{{new string('k', 257)}}"}""", JwtForge.GoodClaims)));

    [Fact]
    [Trait("rule", "JWT-02")]
    public void Section_3_10_a_key_in_the_header_is_refused_and_not_used()
    {
        var thief = JwtForge.Es256();
        Assert.True(SubjectPublicKey.TryParse(thief.Authority.SubjectPublicKeyInfo, out var key, out _));
        Assert.True(ProofKey.TryCreate(key, null, out var proofKey, out _));
        var header = $$"""{"alg":"ES256","kid":"k1","jwk":{{Encoding.UTF8.GetString(proofKey.ToJwk())}}}""";
        AssertRefused("\"jwk\"", Verify(thief.Sign(header, JwtForge.GoodClaims)));
        AssertRefused("\"jwk\"", Verify(Forge.Sign(header, JwtForge.GoodClaims)));
    }

    // §3.11, §3.12: tokens of other kinds, and their keys.
    [Theory]
    [InlineData("wit+jwt")]
    [InlineData("wpt+jwt")]
    [InlineData("at+jwt")]
    [InlineData("dpop+jwt")]
    [InlineData("JWT ")]
    [InlineData("")]
    [Trait("rule", "JWT-06")]
    public void Section_3_11_a_token_of_another_type_is_refused(string type) =>
        AssertRefused("typ", Verify(Forge.Sign($$"""{"alg":"ES256","kid":"k1","typ":"{{type}}"}""", JwtForge.GoodClaims)));

    [Fact]
    [Trait("rule", "JWT-19")]
    public void Section_3_12_a_key_for_tokens_of_another_kind_is_not_used()
    {
        Assert.True(WitAuthority.TryCreate("k1", Forge.Authority.SubjectPublicKeyInfo, out var wit, out var problem), problem);
        Assert.True(TrustBundle.TryCreate(TrustDomain.Parse("example.org"), [], [], [wit], null, null, out var bundle, out problem), problem);
        AssertRefused("no JWT key \"k1\"", Verify(Good(), new TrustBundleSet(bundle)));
    }

    // Below the claims: one document has one meaning.
    [Theory]
    [InlineData("\"x\":{\"a\":1,\"a\":2}")]
    [InlineData("\"x\":{\"a\":1,\"\\u0061\":2}")]
    [InlineData("\"x\":[{\"a\":{\"b\":1,\"b\":1}}]")]
    [InlineData("\"\\u0065xp\":4102444800")]
    [InlineData("\"\\u0061\\u0075\\u0064\":\"x\"")]
    [Trait("rule", "JWT-13")]
    public void A_member_given_twice_is_refused_however_deep_and_however_spelt(string more) =>
        AssertRefused("twice", Verify(Forge.Sign(JwtForge.GoodHeader, JwtForge.Claims(more: more))));

    [Theory]
    [InlineData(15, true)]
    [InlineData(16, false)]
    [InlineData(2000, false)]
    public void Depth_is_bounded(int depth, bool isAccepted) =>
        Assert.Equal(isAccepted, Verify(Forge.Sign(JwtForge.GoodHeader, JwtForge.Claims(more: $"\"x\":{new string('[', depth)}{new string(']', depth)}"))) is JwtSvidVerification.Verified);

    [Theory]
    [InlineData("{} ")]
    [InlineData("\ufeff")]
    [InlineData("/**/")]
    public void What_stands_around_the_claims_is_refused_unless_blank(string suffix) =>
        AssertRefused("not a JSON object", Verify(Forge.Sign(JwtForge.GoodHeader, JwtForge.GoodClaims + suffix)));

    [Fact]
    public void A_refusal_names_the_flaw_and_keeps_the_token_to_itself()
    {
        var secret = Good();
        foreach (var token in new[] { secret, secret + "A", "x" + secret, secret.Replace('.', ',') })
        {
            var refused = Assert.IsType<JwtSvidVerification.Refused>(JwtSvidVerifier.Verify(token, "spiffe://example.org/other", Bundles, Now));
            Assert.NotEmpty(refused.Reason);
            Assert.DoesNotContain(secret.Split('.')[1][..16], refused.Reason, StringComparison.Ordinal);
        }
    }

    private static string Good() => Forge.Sign(JwtForge.GoodHeader, JwtForge.GoodClaims);

    private static string With(string token, byte[] r, byte[] s) => $"{token[..token.LastIndexOf('.')]}.{Base64Url.EncodeToString((byte[])[.. r, .. s])}";

    private static BigInteger Number(ReadOnlySpan<byte> bytes) => new(bytes, isUnsigned: true, isBigEndian: true);

    private static byte[] Bytes(BigInteger number, int length)
    {
        var bytes = number.ToByteArray(isUnsigned: true, isBigEndian: true);
        return [.. new byte[length - bytes.Length], .. bytes];
    }

    private static JwtSvidVerification Verify(string token, TrustBundleSet? bundles = null) => JwtSvidVerifier.Verify(token, Audience, bundles ?? Bundles, Now);

    private static void AssertRefused(string reason, JwtSvidVerification verification) =>
        Assert.Contains(reason, Assert.IsType<JwtSvidVerification.Refused>(verification).Reason, StringComparison.Ordinal);
}
