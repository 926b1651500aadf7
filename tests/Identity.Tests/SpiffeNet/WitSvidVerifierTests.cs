using System.Security.Cryptography;
using Spiffe.Net;
using Xunit;

namespace Identity.Tests.SpiffeNet;

public class WitSvidVerifierTests
{
    private const string Audience = "https://workload.example.org/path";

    private static readonly DateTimeOffset Now = WitForge.Now;
    private static readonly WitForge Forge = new();
    private static readonly TrustBundleSet Bundles = Forge.Bundles();
    private static readonly WorkloadProofTarget Target = new(Audience);
    private static readonly string Token = Forge.Sign();

    [Fact]
    [Trait("rule", "WIT-18")]
    [Trait("rule", "WIT-20")]
    public void Accepts_a_token_with_a_proof_for_us()
    {
        var proof = Prove(Token);
        var verified = Assert.IsType<WitSvidVerification.Verified>(Verify(Token, proof));
        Assert.Equal("spiffe://example.org/hosts/local", verified.Id.ToString());
        Assert.Equal(Audience, verified.Proof.Audience);
        Assert.Equal(Now.AddSeconds(30), verified.Proof.ExpiresAt);
        Assert.Equal(22, verified.Proof.TokenId.Length);
        Assert.DoesNotContain("eyJ", $"{verified} {verified.Svid} {verified.Proof}", StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [Trait("rule", "WIT-18")]
    [Trait("rule", "WIT-19")]
    public void Refuses_a_token_without_proof(string? proof) => AssertRefused("no proof of possession", Verify(Token, proof));

    [Fact]
    [Trait("rule", "WIT-19")]
    public void A_token_passes_neither_as_its_own_proof_nor_as_a_JWT_SVID()
    {
        AssertRefused("typ", Verify(Token, Token));
        Assert.Contains("typ is neither", Assert.IsType<JwtSvidVerification.Refused>(JwtSvidVerifier.Verify(Token, Audience, Bundles, Now)).Reason, StringComparison.Ordinal);
        var jwt = JwtForge.Es256("w1").Sign(JwtForge.GoodHeader, JwtForge.GoodClaims);
        AssertRefused("typ", Verify(jwt, Prove(Token)));
    }

    [Fact]
    [Trait("rule", "WIT-18")]
    public void Refuses_a_proof_by_another_key()
    {
        using var thief = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        AssertRefused("not by the key", Verify(Token, Sign(ProofClaims(), key: thief)));
        AssertRefused("made for another token", Verify(Forge.Sign(), Prove(Token)));
    }

    public static IEnumerable<TheoryDataRow<string, string>> BadProofs =>
    [
        Row("WIT-24", ProofClaims(aud: "\"https://workload.example.org/other\""), "not meant for"),
        Row("WIT-24", ProofClaims(aud: $"\"{Audience}/\""), "not meant for"),
        Row("WIT-24", ProofClaims(aud: $"[\"{Audience}\",\"https://other.example\"]"), "exactly one audience"),
        Row("WIT-24", ProofClaims(aud: "[]"), "exactly one audience"),
        Row("WIT-24", ProofClaims(aud: "\"\""), "exactly one audience"),
        Row("WIT-24", ProofClaims(aud: null), "exactly one audience"),
        Row("WIT-24", ProofClaims(exp: null), "exp"),
        Row("WIT-24", ProofClaims(exp: "\"4102444800\""), "exp"),
        Row("WIT-24", ProofClaims(exp: "1e999"), "exp"),
        Row("WIT-24", ProofClaims(exp: JwtForge.Seconds(Now.AddSeconds(-10))), "expired"),
        Row("WIT-24", ProofClaims(exp: JwtForge.Seconds(Now.AddSeconds(311))), "at most"),
        Row("WIT-24", ProofClaims(more: $"\"nbf\":{JwtForge.Seconds(Now.AddSeconds(11))}"), "not valid before"),
        Row("WIT-24", ProofClaims(jti: null), "jti"),
        Row("WIT-24", ProofClaims(jti: "7"), "jti"),
        Row("WIT-24", ProofClaims(jti: "\"\""), "jti"),
        Row("WIT-24", ProofClaims(jti: $"\"{new string('x', 257)}\""), "jti"),
        Row("WIT-18", ProofClaims(wth: null), "wth"),
        Row("WIT-18", ProofClaims(wth: "\"AAAA\""), "made for another token"),
        Row("WIT-18", ProofClaims(more: "\"oth\":{\"x-token\":\"AAAA\"}"), "other tokens"),
        Row("WIT-18", ProofClaims(more: "\"tth\":\"AAAA\""), "transaction token"),
        Row("WIT-18", ProofClaims(more: "\"tth\":7"), "tth"),
        Row("WIT-18", ProofClaims(more: "\"wth\":\"AAAA\""), "twice"),
    ];

    [Theory]
    [MemberData(nameof(BadProofs))]
    public void Refuses_a_proof_such_as(string claims, string reason) => AssertRefused(reason, Verify(Token, Sign(claims)));

    [Theory]
    [InlineData("""{"alg":"ES256"}""", "typ")]
    [InlineData("""{"alg":"ES256","typ":"JWT"}""", "typ")]
    [InlineData("""{"alg":"ES256","typ":"wit+jwt"}""", "typ")]
    [InlineData("""{"alg":"none","typ":"wpt+jwt"}""", "not allowed")]
    [InlineData("""{"alg":"HS256","typ":"wpt+jwt"}""", "not allowed")]
    [InlineData("""{"alg":"ES384","typ":"wpt+jwt"}""", "its algorithm is ES384")]
    [InlineData("""{"alg":"RS256","typ":"wpt+jwt"}""", "its algorithm is RS256")]
    [InlineData("""{"alg":"ES256","typ":"wpt+jwt","crit":["exp"]}""", "crit")]
    [Trait("rule", "WIT-20")]
    public void Refuses_a_proof_with_a_header_such_as(string header, string reason) => AssertRefused(reason, Verify(Token, Sign(ProofClaims(), header)));

    [Fact]
    [Trait("rule", "WIT-20")]
    public void Ignores_what_it_does_not_know_in_a_proof()
    {
        var proof = Sign(ProofClaims(more: "\"example.com/claim\":{\"a\":1},\"ath\":\"AAAA\""), """{"alg":"ES256","typ":"wpt+jwt","x":1}""");
        Assert.IsType<WitSvidVerification.Verified>(Verify(Token, proof));
    }

    [Fact]
    [Trait("rule", "WIT-18")]
    public void A_proof_bound_to_a_transaction_token_wants_exactly_that_one()
    {
        var with = Target with { TransactionToken = "a.b.c" };
        var bound = WorkloadProof.Create(Parse(Token), Forge.Key, with, Now);
        Assert.IsType<WitSvidVerification.Verified>(WitSvidVerifier.Verify(Token, bound, with, Bundles, Now));
        AssertRefused("there is none", Verify(Token, bound));
        AssertRefused("not bound", WitSvidVerifier.Verify(Token, bound, Target with { TransactionToken = "a.b.d" }, Bundles, Now));
        AssertRefused("not bound", WitSvidVerifier.Verify(Token, Prove(Token), with, Bundles, Now));
    }

    [Fact]
    [Trait("rule", "WIT-10")]
    [Trait("rule", "WIT-11")]
    public void Refuses_a_token_that_has_expired_or_is_not_valid_yet()
    {
        AssertRefused("expired", VerifyClaims(Forge.Claims(exp: JwtForge.Seconds(Now.AddSeconds(-10)))));
        Assert.IsType<WitSvidVerification.Verified>(VerifyClaims(Forge.Claims(exp: JwtForge.Seconds(Now.AddSeconds(-9)))));
        AssertRefused("not valid before", VerifyClaims(Forge.Claims(more: $"\"nbf\":{JwtForge.Seconds(Now.AddSeconds(11))}")));
        Assert.IsType<WitSvidVerification.Verified>(VerifyClaims(Forge.Claims(more: $"\"nbf\":{JwtForge.Seconds(Now.AddSeconds(10))}")));
    }

    [Fact]
    [Trait("rule", "WIT-18")]
    public void A_proof_is_bound_to_every_character_of_a_transaction_token()
    {
        var proof = WorkloadProof.Create(Parse(Token), Forge.Key, Target with { TransactionToken = "é" }, Now);
        Assert.IsType<WitSvidVerification.Verified>(WitSvidVerifier.Verify(Token, proof, Target with { TransactionToken = "é" }, Bundles, Now));
        AssertRefused("transaction token", WitSvidVerifier.Verify(Token, proof, Target with { TransactionToken = "ü" }, Bundles, Now));
    }

    [Fact]
    [Trait("rule", "WIT-10")]
    public void The_last_second_there_is_may_be_the_expiry_of_a_token_but_not_of_a_proof()
    {
        Assert.IsType<WitSvidVerification.Verified>(VerifyClaims(Forge.Claims(exp: "253402300799")));
        AssertRefused("at most", Verify(Token, Sign(ProofClaims(exp: "253402300799"))));
    }

    [Fact]
    [Trait("rule", "WIT-12")]
    public void The_time_of_issue_bounds_nothing()
    {
        Assert.IsType<WitSvidVerification.Verified>(VerifyClaims(Forge.Claims(more: $"\"iat\":{JwtForge.Seconds(Now.AddDays(300))}")));
        Assert.IsType<WitSvidVerification.Verified>(VerifyClaims(Forge.Claims(more: "\"iat\":0")));
    }

    [Fact]
    [Trait("rule", "WIT-09")]
    public void One_token_and_its_ID_may_be_presented_again()
    {
        var token = Forge.Sign(claims: Forge.Claims(more: "\"jti\":\"one\""));
        Assert.IsType<WitSvidVerification.Verified>(Verify(token, Prove(token)));
        Assert.IsType<WitSvidVerification.Verified>(Verify(token, Prove(token)));
    }

    [Fact]
    [Trait("rule", "WIT-23")]
    [Trait("rule", "TDB-01")]
    public void Only_keys_for_WIT_SVIDs_verify_them()
    {
        Assert.True(JwtAuthority.TryCreate("w1", Forge.Authority.SubjectPublicKeyInfo, out var jwt, out _));
        Assert.True(TrustBundle.TryCreate(TrustDomain.Parse("example.org"), [], [jwt], null, null, out var jwtOnly, out _));
        AssertRefused("no WIT key", WitSvidVerifier.Verify(Token, Prove(Token), Target, new TrustBundleSet(jwtOnly), Now));
        var jwtSvid = JwtForge.Es256("w1").Sign("""{"alg":"ES256","kid":"w1"}""", JwtForge.GoodClaims);
        var refused = Assert.IsType<JwtSvidVerification.Refused>(JwtSvidVerifier.Verify(jwtSvid, "spiffe://example.org/nats", Bundles, Now));
        Assert.Contains("no JWT key", refused.Reason, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("rule", "WIT-02")]
    [Trait("rule", "WIT-04")]
    [Trait("rule", "WIT-05")]
    public void The_key_comes_from_the_bundle_by_its_exact_name()
    {
        AssertRefused("no WIT key \"W1\"", VerifyHeader("""{"alg":"ES256","kid":"W1","typ":"wit+jwt"}"""));
        AssertRefused("does not fit its key", VerifyHeader("""{"alg":"RS256","kid":"w1","typ":"wit+jwt"}"""));
        AssertRefused("does not fit its key", VerifyHeader("""{"alg":"ES384","kid":"w1","typ":"wit+jwt"}"""));

        // A key in the header is not looked at, whosever it is.
        var thief = new WitForge();
        var header = $$"""{"alg":"ES256","kid":"w1","typ":"wit+jwt","jwk":{{thief.Jwk}},"jku":"https://evil.example/"}""";
        var forged = thief.Sign(header, thief.Claims());
        AssertRefused("signature", Verify(forged, WorkloadProof.Create(Parse(forged), thief.Key, Target, Now)));
        Assert.IsType<WitSvidVerification.Verified>(VerifyHeader(header));
    }

    [Fact]
    [Trait("rule", "TDB-03")]
    [Trait("rule", "TDB-10")]
    public void Refuses_a_token_of_a_trust_domain_that_is_unknown_or_has_no_keys()
    {
        AssertRefused("no trust bundle", WitSvidVerifier.Verify(Token, Prove(Token), Target, TrustBundleSet.Empty, Now));
        AssertRefused("no trust bundle", WitSvidVerifier.Verify(Token, Prove(Token), Target, Forge.Bundles("other.org"), Now));
        Assert.True(TrustBundle.TryParse(TrustDomain.Parse("example.org"), "{\"keys\":[]}"u8.ToArray(), out var empty, out _));
        AssertRefused("no WIT key", WitSvidVerifier.Verify(Token, Prove(Token), Target, new TrustBundleSet(empty), Now));
    }

    [Fact]
    [Trait("rule", "WIT-04")]
    [Trait("rule", "WIT-08")]
    public void Every_kind_of_key_that_is_listed_signs_and_is_bound()
    {
        using var rsa = RSA.Create(2048);
        foreach (var algorithm in "ES256 ES384 ES512 RS256 RS384 RS512 PS256 PS384 PS512".Split(' '))
        {
            using AsymmetricAlgorithm? curve = algorithm switch
            {
                "ES256" => ECDsa.Create(ECCurve.NamedCurves.nistP256),
                "ES384" => ECDsa.Create(ECCurve.NamedCurves.nistP384),
                "ES512" => ECDsa.Create(ECCurve.NamedCurves.nistP521),
                _ => null,
            };
            var key = curve ?? rsa;
            var hash = new HashAlgorithmName("SHA" + algorithm[2..]);
            var padding = algorithm[0] == 'P' ? RSASignaturePadding.Pss : RSASignaturePadding.Pkcs1;
            var jwk = System.Text.Encoding.UTF8.GetString(WitForge.KeyOf(key, algorithm).ToJwk());
            var claims = Forge.Claims(cnf: $$"""{"jwk":{{jwk}}}""");

            // By a key of this kind the token is signed too.
            var token = new JwtForge(key, "w1").Sign($$"""{"alg":"{{algorithm}}","kid":"w1","typ":"wit+jwt"}""", claims, hash, padding);
            var proof = new JwtForge(key).Sign($$"""{"alg":"{{algorithm}}","typ":"wpt+jwt"}""", ProofClaims(token: token), hash, padding);
            Assert.IsType<WitSvidVerification.Verified>(WitSvidVerifier.Verify(token, proof, Target, new WitForge(key).Bundles(), Now));
        }
    }

    [Fact]
    public void Refuses_every_pair_with_one_changed_character()
    {
        var proof = Prove(Token);
        for (var position = 0; position < proof.Length; position += 5)
        {
            var changed = proof.ToCharArray();
            changed[position] = changed[position] == 'A' ? 'B' : 'A';
            Assert.IsType<WitSvidVerification.Refused>(Verify(Token, new string(changed)));
        }
    }

    [Fact]
    public void A_leeway_beyond_a_minute_is_a_bug() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => WitSvidVerifier.Verify(Token, Prove(Token), Target, Bundles, Now, TimeSpan.FromSeconds(61)));

    private static TheoryDataRow<string, string> Row(string rule, string claims, string reason) =>
        new TheoryDataRow<string, string>(claims, reason).WithTrait("rule", rule);

    private static string ProofClaims(
        string? aud = $"\"{Audience}\"", string? exp = "", string? jti = "\"p1\"", string? wth = "", string? more = null, string? token = null)
    {
        if (exp == "") exp = JwtForge.Seconds(Now.AddSeconds(30));
        if (wth == "") wth = $"\"{System.Buffers.Text.Base64Url.EncodeToString(SHA256.HashData(System.Text.Encoding.ASCII.GetBytes(token ?? Token)))}\"";
        var members = new[] { ("aud", aud), ("exp", exp), ("jti", jti), ("wth", wth) }.Where(m => m.Item2 is not null).Select(m => $"\"{m.Item1}\":{m.Item2}");
        return "{" + string.Join(',', more is null ? members : members.Append(more)) + "}";
    }

    private static string Sign(string claims, string header = """{"alg":"ES256","typ":"wpt+jwt"}""", ECDsa? key = null) =>
        new JwtForge(key ?? Forge.Key).Sign(header, claims);

    private static UnverifiedWitSvid Parse(string token) =>
        WitSvid.TryParseUnverified(token, out var svid, out var problem) ? svid : throw new InvalidOperationException(problem);

    private static string Prove(string token) => WorkloadProof.Create(Parse(token), Forge.Key, Target, Now);

    private static WitSvidVerification VerifyClaims(string claims)
    {
        var token = Forge.Sign(claims: claims);
        return Verify(token, Sign(ProofClaims(token: token)));
    }

    private static WitSvidVerification VerifyHeader(string header)
    {
        var token = Forge.Sign(header);
        return Verify(token, Sign(ProofClaims(token: token)));
    }

    private static WitSvidVerification Verify(string token, string? proof) => WitSvidVerifier.Verify(token, proof, Target, Bundles, Now);

    private static void AssertRefused(string reason, WitSvidVerification verification) =>
        Assert.Contains(reason, Assert.IsType<WitSvidVerification.Refused>(verification).Reason, StringComparison.Ordinal);
}
