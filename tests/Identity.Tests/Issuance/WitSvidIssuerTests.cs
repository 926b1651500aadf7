using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text.Json;
using Identity.Issuance;
using Identity.Tests.SpiffeNet;
using Spiffe.Net;
using Xunit;

namespace Identity.Tests.Issuance;

public class WitSvidIssuerTests
{
    private static readonly DateTimeOffset Now = TestAuthority.Now;
    private static readonly SpiffeId Host = SpiffeId.Parse("spiffe://example.org/hosts/local");
    private static readonly LocalAuthorityKey AuthorityKey = LocalAuthorityKey.Generate(SigningAlgorithm.Es256);
    private static readonly WitSigningAuthority Authority = Create(AuthorityKey);
    private static readonly WitSvidIssuer Issuer = new(Authority, IssuanceProfile.Default);
    private static readonly ProofKey Key = WitForge.KeyOf(ECDsa.Create(ECCurve.NamedCurves.nistP256));

    [Fact]
    [Trait("rule", "WIT-01")]
    [Trait("rule", "WIT-02")]
    [Trait("rule", "WIT-03")]
    [Trait("rule", "WIT-04")]
    [Trait("rule", "WIT-05")]
    [Trait("rule", "WIT-06")]
    [Trait("rule", "WIT-07")]
    [Trait("rule", "WIT-08")]
    [Trait("rule", "WIT-10")]
    [Trait("rule", "WIT-13")]
    [Trait("rule", "WIT-14")]
    [Trait("rule", "WIT-16")]
    public void The_token_holds_exactly_what_the_specification_asks_for()
    {
        var draft = Prepare(new WitSvidRequest(Host, Key));
        var issued = Issuer.Issue(draft);
        var parts = issued.Token.Split('.');
        Assert.Equal(3, parts.Length);
        using var header = JsonDocument.Parse(Base64Url.DecodeFromChars(parts[0]));
        Assert.Equal(["alg", "kid", "typ"], header.RootElement.EnumerateObject().Select(member => member.Name));
        Assert.Equal("ES256", header.RootElement.GetProperty("alg").GetString());
        Assert.Equal("\"wit+jwt\"", header.RootElement.GetProperty("typ").GetRawText());
        Assert.Equal(Authority.KeyId, header.RootElement.GetProperty("kid").GetString());
        using var claims = JsonDocument.Parse(Base64Url.DecodeFromChars(parts[1]));
        Assert.Equal(["sub", "cnf", "iat", "exp", "jti"], claims.RootElement.EnumerateObject().Select(claim => claim.Name));
        Assert.Equal(Host.ToString(), claims.RootElement.GetProperty("sub").GetString());
        Assert.Equal("ES256", claims.RootElement.GetProperty("cnf").GetProperty("jwk").GetProperty("alg").GetString());
        Assert.Equal(Now.AddHours(1).ToUnixTimeSeconds(), claims.RootElement.GetProperty("exp").GetInt64());
        Assert.True(WitSvid.TryParseUnverified(issued.Token, out var svid, out _));
        Assert.True(svid.ProofKey.HasSameContent(Key));
        Assert.Equal(draft.TokenId, svid.TokenId);
    }

    [Fact]
    [Trait("rule", "WIT-09")]
    public void Token_IDs_do_not_repeat() =>
        Assert.Equal(500, Enumerable.Range(0, 500).Select(_ => Prepare(new WitSvidRequest(Host, Key)).TokenId).Distinct().Count());

    [Fact]
    public void The_draft_tells_what_will_be_signed_before_it_is()
    {
        var draft = Prepare(new WitSvidRequest(Host, Key));
        Assert.Equal(Key.PublicKey.ComputeSha256(), draft.KeyHash.ToArray());
        Assert.Equal(32, draft.TokenId.Length);
        Assert.Equal(Authority.KeyId, draft.KeyId);
    }

    [Fact]
    public void Two_tokens_may_be_bound_to_one_key()
    {
        var first = Issuer.Issue(Prepare(new WitSvidRequest(Host, Key)));
        var second = Issuer.Issue(Prepare(new WitSvidRequest(Host, Key)));
        Assert.NotEqual(first.TokenId, second.TokenId);
    }

    [Theory]
    [InlineData("spiffe://other.org/x", "not in the trust domain")]
    [InlineData("spiffe://example.org", "no path")]
    [Trait("rule", "WIT-06")]
    public void Refuses_an_ID_that_is_not_its_to_give(string id, string reason) => AssertRefused(reason, new WitSvidRequest(SpiffeId.Parse(id), Key));

    [Fact]
    public void Refuses_to_bind_a_token_to_the_key_that_signs_it()
    {
        Assert.True(ProofKey.TryCreate(AuthorityKey.PublicKey, null, out var own, out _));
        AssertRefused("authority's own", new WitSvidRequest(Host, own));
    }

    [Fact]
    public void Refuses_a_lifetime_too_short_to_be_meant() => AssertRefused("the shortest", new WitSvidRequest(Host, Key, TimeSpan.FromSeconds(9)));

    [Fact]
    public void Cuts_a_lifetime_to_the_profile_and_to_its_key()
    {
        Assert.Equal(Now.AddHours(1), Prepare(new WitSvidRequest(Host, Key)).ExpiresAt);
        Assert.Equal(Now.AddHours(23), Prepare(new WitSvidRequest(Host, Key, TimeSpan.FromDays(30))).ExpiresAt);
    }

    [Fact]
    public void Refuses_once_its_key_has_ended_or_before_it_begins()
    {
        Assert.IsType<WitSvidPreparation.Refused>(Issuer.Prepare(new WitSvidRequest(Host, Key), Now.AddHours(23)));
        Assert.IsType<WitSvidPreparation.Refused>(Issuer.Prepare(new WitSvidRequest(Host, Key), Now.AddHours(-2)));
    }

    [Fact]
    public void Issues_a_draft_once_and_only_its_own()
    {
        var draft = Prepare(new WitSvidRequest(Host, Key));
        Assert.Throws<InvalidOperationException>(() => new WitSvidIssuer(Authority, IssuanceProfile.Default).Issue(draft));
        Issuer.Issue(draft);
        Assert.Throws<InvalidOperationException>(() => Issuer.Issue(draft));
    }

    [Fact]
    public void An_issued_token_does_not_print_itself() =>
        Assert.DoesNotContain("eyJ", Issuer.Issue(Prepare(new WitSvidRequest(Host, Key))).ToString(), StringComparison.Ordinal);

    internal static WitSigningAuthority Create(LocalAuthorityKey key) =>
        WitSigningAuthority.TryCreate(TestAuthority.Domain, key, Now.AddHours(-1), Now.AddHours(23), out var authority, out var problem)
            ? authority
            : throw new InvalidOperationException(problem);

    private static WitSvidDraft Prepare(WitSvidRequest request) =>
        Assert.IsType<WitSvidPreparation.Prepared>(Issuer.Prepare(request, Now)).Draft;

    private static void AssertRefused(string reason, WitSvidRequest request) =>
        Assert.Contains(reason, Assert.IsType<WitSvidPreparation.Refused>(Issuer.Prepare(request, Now)).Reason, StringComparison.Ordinal);
}
