using System.Text.Json;
using Identity.Issuance;
using Spiffe.Net;
using Xunit;

namespace Identity.Tests.Issuance;

public class JwtSvidIssuerTests
{
    private const string Nats = "spiffe://example.org/nats";

    private static readonly DateTimeOffset Now = TestAuthority.Now;
    private static readonly SpiffeId Host = SpiffeId.Parse("spiffe://example.org/hosts/local");
    private static readonly JwtSigningAuthority Authority = TestAuthority.CreateJwt();
    private static readonly JwtSvidIssuer Issuer = new(Authority, IssuanceProfile.Default);

    [Theory]
    [InlineData("ES256")]
    [InlineData("ES384")]
    [InlineData("RS256")]
    public void Issues_what_the_verifier_accepts(string name)
    {
        var authority = TestAuthority.CreateJwt(name switch { "ES384" => SigningAlgorithm.Es384, "RS256" => SigningAlgorithm.Rs256, _ => SigningAlgorithm.Es256 });
        var issuer = new JwtSvidIssuer(authority, IssuanceProfile.Default);
        var svid = issuer.Issue(Prepare(issuer, new JwtSvidRequest(Host, [Nats, "zweites \"Ziel\" +ä"])));
        var verified = Assert.IsType<JwtSvidVerification.Verified>(JwtSvidVerifier.Verify(svid.Token, Nats, TestAuthority.BundlesOf(authority), Now));
        Assert.Equal(Host, verified.Id);
        Assert.Equal(name, verified.Svid.Algorithm);
        Assert.Equal(svid.TokenId, verified.Svid.TokenId);
        Assert.Equal([Nats, "zweites \"Ziel\" +ä"], verified.Svid.Audience);
    }

    [Fact]
    public void The_token_holds_exactly_the_claims_of_the_specification()
    {
        var draft = Prepare(Issuer, new JwtSvidRequest(Host, [Nats]));
        Assert.True(JwtSvid.TryParseUnverified(Issuer.Issue(draft).Token, out var svid, out _));
        using var claims = JsonDocument.Parse(svid.ClaimsJson);
        Assert.Equal(["sub", "aud", "iat", "exp", "jti"], claims.RootElement.EnumerateObject().Select(claim => claim.Name));
        Assert.Equal(JsonValueKind.Array, claims.RootElement.GetProperty("aud").ValueKind);
        Assert.Equal(draft.TokenId, svid.TokenId);
        Assert.Equal(draft.ExpiresAt, svid.ExpiresAt);
        Assert.Equal(draft.IssuedAt, svid.IssuedAt);
        Assert.Equal(Now.AddMinutes(5), svid.ExpiresAt);
        Assert.Equal(Authority.KeyId, svid.KeyId);
    }

    public static TheoryData<string[], string> BadAudiences => new()
    {
        { [], "expected 1 to 16" },
        { [.. Enumerable.Range(0, 17).Select(i => $"a{i}")], "expected 1 to 16" },
        { [""], "printable" },
        { ["a", "b\n"], "printable" },
        { [new string('x', 1025)], "printable" },
        { ["\ud800"], "printable" },
        { [.. Enumerable.Range(0, 16).Select(i => new string('x', 1000))], "at most 8192" },
        { [.. Enumerable.Range(0, 16).Select(i => new string('x', 512))], "at most 8192" },
    };

    [Theory]
    [MemberData(nameof(BadAudiences))]
    public void Refuses_audiences_that_cannot_be_meant(string[] audience, string reason) => AssertRefused(reason, new JwtSvidRequest(Host, audience));

    [Theory]
    [InlineData("spiffe://other.org/x", "not in the trust domain")]
    [InlineData("spiffe://example.org", "no path")]
    public void Refuses_an_ID_that_is_not_its_to_give(string id, string reason) => AssertRefused(reason, new JwtSvidRequest(SpiffeId.Parse(id), [Nats]));

    [Fact]
    public void Refuses_a_lifetime_too_short_to_be_meant() => AssertRefused("the shortest", new JwtSvidRequest(Host, [Nats], TimeSpan.FromSeconds(9)));

    [Fact]
    public void Cuts_a_lifetime_beyond_the_profile() =>
        Assert.Equal(Now.AddHours(1), Prepare(Issuer, new JwtSvidRequest(Host, [Nats], TimeSpan.FromDays(1))).ExpiresAt);

    [Fact]
    public void Never_outlives_its_key()
    {
        var issuer = new JwtSvidIssuer(TestAuthority.CreateJwt(left: TimeSpan.FromMinutes(2)), IssuanceProfile.Default);
        Assert.Equal(Now.AddMinutes(2), Prepare(issuer, new JwtSvidRequest(Host, [Nats])).ExpiresAt);
    }

    [Fact]
    public void Refuses_once_its_key_has_ended_or_before_it_begins()
    {
        Assert.IsType<JwtSvidPreparation.Refused>(Issuer.Prepare(new JwtSvidRequest(Host, [Nats]), Now.AddHours(23)));
        Assert.IsType<JwtSvidPreparation.Refused>(Issuer.Prepare(new JwtSvidRequest(Host, [Nats]), Now.AddHours(-2)));
    }

    [Fact]
    public void Issues_a_draft_once_and_only_its_own()
    {
        var draft = Prepare(Issuer, new JwtSvidRequest(Host, [Nats]));
        Assert.Throws<InvalidOperationException>(() => new JwtSvidIssuer(Authority, IssuanceProfile.Default).Issue(draft));
        Issuer.Issue(draft);
        Assert.Throws<InvalidOperationException>(() => Issuer.Issue(draft));
    }

    [Fact]
    public void Token_IDs_do_not_repeat() =>
        Assert.Equal(500, Enumerable.Range(0, 500).Select(_ => Prepare(Issuer, new JwtSvidRequest(Host, [Nats])).TokenId).Distinct().Count());

    [Fact]
    public void An_issued_token_does_not_print_itself()
    {
        var svid = Issuer.Issue(Prepare(Issuer, new JwtSvidRequest(Host, [Nats])));
        Assert.DoesNotContain(svid.Token[..20], svid.ToString(), StringComparison.Ordinal);
    }

    private static JwtSvidDraft Prepare(JwtSvidIssuer issuer, JwtSvidRequest request) =>
        Assert.IsType<JwtSvidPreparation.Prepared>(issuer.Prepare(request, Now)).Draft;

    private static void AssertRefused(string reason, JwtSvidRequest request)
    {
        var refused = Assert.IsType<JwtSvidPreparation.Refused>(Issuer.Prepare(request, Now));
        Assert.Contains(reason, refused.Reason, StringComparison.Ordinal);
        Assert.True(refused.IsAboutRequest);
    }
}
