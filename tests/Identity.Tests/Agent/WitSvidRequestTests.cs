using System.Text;
using Identity.Agent.ControlPlane;
using Identity.Issuance;
using Spiffe.Net;
using Xunit;
using WitSvidRequest = Identity.Agent.SvidCache.WitSvidRequest;

namespace Identity.Tests.Agent;

/// <summary>An agent believes a WIT-SVID from its server no sooner than whoever receives it from a workload will.</summary>
public sealed class WitSvidRequestTests : IDisposable
{
    private static readonly DateTimeOffset Now = new(2026, 11, 22, 12, 0, 0, TimeSpan.Zero);
    private static readonly TrustDomain Domain = TrustDomain.Parse("example.org");
    private static readonly SpiffeId Host = SpiffeId.Parse("spiffe://example.org/hosts/local");
    private static readonly WitSigningAuthority Authority = NewAuthority();

    private readonly WitSvidRequest _request = new();

    public void Dispose() => _request.Dispose();

    [Fact]
    public void Takes_a_token_that_is_bound_to_its_key_and_hands_out_both()
    {
        var token = Issue(Host, _request);
        Assert.True(_request.TryComplete(token, Entry(), Bundle(Authority), Now, out var svid, out var problem), problem);
        Assert.Equal(token, svid.Token);
        Assert.True(PrivateJsonWebKey.TryRead(Encoding.UTF8.GetBytes(svid.PrivateJwk), out var key, out problem), problem);
        using (key)
        {
            Assert.True(ProofKey.TryParse(_request.Jwk.Memory, out var asked, out problem), problem);
            Assert.Equal(asked.PublicKey.SubjectPublicKeyInfo.ToArray(), key.ExportSubjectPublicKeyInfo());
        }
    }

    [Fact]
    public void Refuses_no_token() => AssertRefused("", null, Authority);

    [Fact]
    public void Refuses_a_token_of_somebody_else() =>
        AssertRefused("it is of spiffe://example.org/hosts/other", Issue(SpiffeId.Parse("spiffe://example.org/hosts/other"), _request), Authority);

    [Fact]
    public void Refuses_a_token_that_is_bound_to_another_key()
    {
        using var other = new WitSvidRequest();
        AssertRefused("another key", Issue(Host, other), Authority);
    }

    [Fact]
    public void Refuses_a_token_whose_key_the_bundle_does_not_know() => AssertRefused("no WIT key", Issue(Host, _request), NewAuthority());

    [Fact]
    public void Refuses_a_token_with_the_signature_of_another_one()
    {
        var (token, other) = (Issue(Host, _request), Issue(Host, _request));
        AssertRefused("signature", token[..token.LastIndexOf('.')] + other[other.LastIndexOf('.')..], Authority);
    }

    [Fact]
    public void Refuses_a_token_that_has_expired() => AssertRefused("expired", Issue(Host, _request), Authority, Now.AddHours(3));

    private void AssertRefused(string reason, string? token, WitSigningAuthority trusted, DateTimeOffset? now = null)
    {
        Assert.False(_request.TryComplete(token, Entry(), Bundle(trusted), now ?? Now, out _, out var problem));
        Assert.Contains(reason, problem, StringComparison.Ordinal);
    }

    private static string Issue(SpiffeId id, WitSvidRequest request)
    {
        Assert.True(ProofKey.TryParse(request.Jwk.Memory, out var key, out var problem), problem);
        var issuer = new WitSvidIssuer(Authority, IssuanceProfile.Default);
        return issuer.Issue(Assert.IsType<WitSvidPreparation.Prepared>(issuer.Prepare(new global::Identity.Issuance.WitSvidRequest(id, key), Now)).Draft).Token;
    }

    private static WitSigningAuthority NewAuthority() =>
        WitSigningAuthority.TryCreate(Domain, LocalAuthorityKey.Generate(SigningAlgorithm.Es256), Now.AddHours(-1), Now.AddDays(30), out var authority, out var problem)
            ? authority
            : throw new InvalidOperationException(problem);

    private static TrustBundle Bundle(WitSigningAuthority authority) =>
        TrustBundle.TryCreate(Domain, [], [], [authority.Public], 1, null, out var bundle, out var problem) ? bundle : throw new InvalidOperationException(problem);

    private static AuthorizedEntry Entry() => new()
    {
        Id = "e1",
        Revision = 1,
        SpiffeId = Host,
        Parent = SpiffeId.Parse("spiffe://example.org/nodes/local"),
        Selectors = ["unix:uid:1000"],
        FederatesWith = [],
        Hint = "",
        ExpiresAt = 0,
        CreatedAt = 0,
        IsPrivileged = false,
    };
}
