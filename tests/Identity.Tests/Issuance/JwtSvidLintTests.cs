using System.Text;
using CsCheck;
using Identity.Issuance;
using Spiffe.Net;

namespace Identity.Tests.Issuance;

/// <summary>What the lint of a JWT-SVID sees of a draft that is not what was decided.</summary>
public class JwtSvidLintTests
{
    private static readonly SpiffeId Host = SpiffeId.Parse("spiffe://example.org/hosts/local");
    private static readonly JwtSigningAuthority Authority = TestAuthority.CreateJwt();
    private static readonly JwtSvidIssuer Issuer = new(Authority, IssuanceProfile.Default);
    private static readonly JwtSvidDraft Draft = Prepare(new JwtSvidRequest(Host, ["one", "two"]));

    [Fact]
    public void Notices_every_changed_bit()
    {
        foreach (var draft in new[] { Draft, Prepare(new JwtSvidRequest(Host, ["x"])), Prepare(new JwtSvidRequest(Host, ["xx"])) })
        {
            var part = draft.SignedPart.ToArray();
            Assert.Null(JwtSvidLint.FindProblem(part, draft, Authority));
            for (var bit = 0; bit < part.Length * 8; bit++)
            {
                part[bit / 8] ^= (byte)(1 << (bit % 8));
                Assert.True(JwtSvidLint.FindProblem(part, draft, Authority) is not null, $"bit {bit % 8} of byte {bit / 8}");
                part[bit / 8] ^= (byte)(1 << (bit % 8));
            }
        }
    }

    [Fact]
    public void Notices_every_changed_bit_of_what_is_encoded()
    {
        foreach (var isHeader in new[] { true, false })
        {
            var (header, claims) = (TokenPieces.Header(Draft.SignedPart), TokenPieces.Claims(Draft.SignedPart));
            var bytes = Encoding.UTF8.GetBytes(isHeader ? header : claims);
            for (var bit = 0; bit < bytes.Length * 8; bit++)
            {
                bytes[bit / 8] ^= (byte)(1 << (bit % 8));
                var changed = Encoding.Latin1.GetString(bytes);
                Assert.True(Problem(isHeader ? changed : header, isHeader ? claims : changed) is not null, $"{isHeader}: {changed}");
                bytes[bit / 8] ^= (byte)(1 << (bit % 8));
            }
        }
    }

    [Fact]
    public void Notices_what_is_cut_off_or_added()
    {
        var part = Draft.SignedPart;
        for (var length = 0; length < part.Length; length++) Assert.NotNull(JwtSvidLint.FindProblem(part.AsSpan(0, length), Draft, Authority));
        foreach (var more in new[] { "A", "AA", "=", ".", ".AAAA", " ", "\n" })
        {
            Assert.NotNull(JwtSvidLint.FindProblem([.. part, .. Encoding.ASCII.GetBytes(more)], Draft, Authority));
        }
    }

    public static TheoryData<string, string, string> ChangedHeaders => new()
    {
        { "\"ES256\"", "\"RS256\"", "algorithm" },
        { "\"ES256\"", "\"none\"", "algorithm" },
        { "\"ES256\"", "256", "algorithm" },
        { "\"JWT\"", "\"JOSE\"", "type" },
        { "\"JWT\"", "\"wit+jwt\"", "type" },
        { "\"JWT\"}", "\"JWT\",\"jwk\":{}}", "more members" },
        { "\"JWT\"}", "\"JWT\",\"crit\":[\"b64\"]}", "more members" },
        { "\"JWT\"}", "\"JWT\",\"alg\":\"ES256\"}", "more members" },
        { "\"JWT\"}", "\"JWT\"} ", "more members" },
        { "{\"alg\"", "{\"jku\":\"https://x\",\"alg\"", "algorithm" },
        { ",\"typ\":\"JWT\"", "", "type" },
        { "{", "[{", "not a JSON object" },
    };

    [Theory]
    [MemberData(nameof(ChangedHeaders))]
    public void Holds_the_header_to_what_was_decided(string old, string by, string reason) =>
        AssertProblem(reason, TokenPieces.Replaced(TokenPieces.Header(Draft.SignedPart), old, by), TokenPieces.Claims(Draft.SignedPart));

    [Fact]
    public void Holds_the_key_ID_to_the_authoritys()
    {
        var header = TokenPieces.Replaced(TokenPieces.Header(Draft.SignedPart), Authority.KeyId, TestAuthority.CreateJwt().KeyId);
        AssertProblem("another key", header, TokenPieces.Claims(Draft.SignedPart));
        Assert.Contains("another key", JwtSvidLint.FindProblem(Draft.SignedPart, Draft, TestAuthority.CreateJwt())!, StringComparison.Ordinal);
    }

    public static TheoryData<string, string, string> ChangedClaims => new()
    {
        { "/hosts/local", "/hosts/other", "SPIFFE ID" },
        { "\"one\",", "", "audience" },
        { "\"two\"]", "\"two\",\"three\"]", "audience" },
        { "[\"one\",\"two\"]", "\"one\"", "audience" },
        { "[\"one\",\"two\"]", "[\"two\",\"one\"]", "audience" },
        { "\"two\"]", "\"two\"],\"nbf\":0", "lifetime" },
        { "\"iat\":", "\"iat\":1", "lifetime" },
        { "\"exp\":", "\"exp\":1", "lifetime" },
        { "\"exp\"", "\"Exp\"", "lifetime" },
        { "\"jti\":\"", "\"jti\":\"0", "token ID" },
        { "{\"sub\"", "{\"iss\":\"https://x\",\"sub\"", "SPIFFE ID" },
        { "{\"sub\"", "{\"sub\":\"spiffe://example.org/hosts/local\",\"sub\"", "audience" },
        { "\"jti\"", "\"admin\":true,\"jti\"", "token ID" },
    };

    [Theory]
    [MemberData(nameof(ChangedClaims))]
    public void Holds_the_claims_to_what_was_decided(string old, string by, string reason) =>
        AssertProblem(reason, TokenPieces.Header(Draft.SignedPart), TokenPieces.Replaced(TokenPieces.Claims(Draft.SignedPart), old, by));

    [Theory]
    [InlineData(",\"admin\":true}")]
    [InlineData(",\"jti\":\"x\"}")]
    [InlineData(",\"cnf\":{}}")]
    [InlineData("} ")]
    [InlineData("}{}")]
    [InlineData("")]
    public void Notices_a_claim_more_and_text_after_the_claims(string end)
    {
        var claims = TokenPieces.Claims(Draft.SignedPart)[..^1] + end;
        Assert.NotNull(Problem(TokenPieces.Header(Draft.SignedPart), claims));
    }

    [Fact]
    public void Refuses_what_is_not_the_authoritys_to_say()
    {
        var ending = TestAuthority.CreateJwt(left: TimeSpan.FromMinutes(2));
        var foreign = new JwtSvidDraft(Issuer, new JwtSvidRequest(SpiffeId.Parse("spiffe://other.org/x"), ["one"]), Draft.TokenId, Draft.IssuedAt, Draft.ExpiresAt, []);
        var part = TokenPieces.Join(TokenPieces.Header(Draft.SignedPart), Claims(foreign));
        Assert.Contains("not the authority's to give", JwtSvidLint.FindProblem(part, foreign, Authority)!, StringComparison.Ordinal);
        var late = new JwtSvidDraft(Issuer, new JwtSvidRequest(Host, ["one"]), Draft.TokenId, Draft.IssuedAt, Draft.ExpiresAt, []);
        part = TokenPieces.Join(TokenPieces.Replaced(TokenPieces.Header(Draft.SignedPart), Authority.KeyId, ending.KeyId), Claims(late));
        Assert.Contains("outlives its authority", JwtSvidLint.FindProblem(part, late, ending)!, StringComparison.Ordinal);
        var nobody = new JwtSvidDraft(Issuer, new JwtSvidRequest(Host, []), Draft.TokenId, Draft.IssuedAt, Draft.ExpiresAt, []);
        part = TokenPieces.Join(TokenPieces.Header(Draft.SignedPart), Claims(nobody));
        Assert.Contains("for nobody", JwtSvidLint.FindProblem(part, nobody, Authority)!, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_prepared_passes_the_lint_and_the_verifiers_reading_alike() =>
        Gen.Char.Where(c => !char.IsControl(c) && !char.IsSurrogate(c)).Array[1, 200].Select(characters => new string(characters)).Array[1, 8].Sample(
            audience =>
            {
                var draft = Prepare(new JwtSvidRequest(Host, audience));
                Assert.Null(JwtSvidLint.FindProblem(draft.SignedPart, draft, Authority));
                Assert.True(JwtSvid.TryParseUnverified(Issuer.Issue(draft).Token, out var read, out _));
                Assert.Equal((Host, "ES256", Authority.KeyId, draft.TokenId), (read.Id, read.Algorithm, read.KeyId, read.TokenId));
                Assert.Equal(audience, read.Audience);
                Assert.Equal((draft.IssuedAt, draft.ExpiresAt), (read.IssuedAt, read.ExpiresAt));
            },
            iter: 300);

    [Fact]
    public void The_token_is_the_linted_bytes_and_a_signature()
    {
        var draft = Prepare(new JwtSvidRequest(Host, ["one"]));
        Assert.StartsWith(Encoding.ASCII.GetString(draft.SignedPart) + ".", Issuer.Issue(draft).Token, StringComparison.Ordinal);
    }

    private static string Claims(JwtSvidDraft draft) =>
        $$"""{"sub":"{{draft.Id}}","aud":[{{string.Join(',', draft.Audience.Select(audience => $"\"{audience}\""))}}],"iat":{{draft.IssuedAt.ToUnixTimeSeconds()}},"exp":{{draft.ExpiresAt.ToUnixTimeSeconds()}},"jti":"{{draft.TokenId}}"}""";

    private static string? Problem(string header, string claims) => JwtSvidLint.FindProblem(TokenPieces.Join(header, claims), Draft, Authority);

    private static void AssertProblem(string reason, string header, string claims) => Assert.Contains(reason, Problem(header, claims), StringComparison.Ordinal);

    private static JwtSvidDraft Prepare(JwtSvidRequest request) => Assert.IsType<JwtSvidPreparation.Prepared>(Issuer.Prepare(request, TestAuthority.Now)).Draft;
}
