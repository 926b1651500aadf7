using Spiffe.Net;
using Spiffe.Net.WorkloadApi;
using Xunit;

namespace Identity.Tests.WorkloadApi;

public sealed class AuthorizedPeersTests
{
    private static readonly SpiffeId Host = SpiffeId.Parse("spiffe://example.org/hosts/a");

    [Theory]
    [InlineData("spiffe://example.org/hosts/a", true)]
    [InlineData("spiffe://example.org/hosts/b", false)]
    [InlineData("spiffe://example.org/hosts/a/b", false)]
    [InlineData("spiffe://example.com/hosts/a", false)]
    public void Exactly_admits_only_what_it_names(string id, bool admitted) =>
        Assert.Equal(admitted, AuthorizedPeers.Exactly(Host).Admits(SpiffeId.Parse(id)));

    [Theory]
    [InlineData("spiffe://example.org/hosts/a", true)]
    [InlineData("spiffe://example.org/hosts/a/b", true)]
    [InlineData("spiffe://example.org/hosts", false)]
    [InlineData("spiffe://example.org/hosts-a", false)]
    [InlineData("spiffe://example.org/hostsx/a", false)]
    [InlineData("spiffe://example.com/hosts/a", false)]
    public void Under_compares_whole_segments(string id, bool admitted) =>
        Assert.Equal(admitted, AuthorizedPeers.Under(SpiffeId.Parse("spiffe://example.org/hosts")).Admits(SpiffeId.Parse(id)));

    [Theory]
    [InlineData("spiffe://example.org/x", true)]
    [InlineData("spiffe://sub.example.org/x", false)]
    [InlineData("spiffe://example.org.evil/x", false)]
    public void MembersOf_admits_one_trust_domain(string id, bool admitted) =>
        Assert.Equal(admitted, AuthorizedPeers.MembersOf(TrustDomain.Parse("example.org")).Admits(SpiffeId.Parse(id)));

    [Fact]
    public void Refuses_to_be_made_for_nobody_or_for_everybody_by_mistake()
    {
        Assert.Throws<ArgumentException>(() => AuthorizedPeers.Exactly());
        Assert.Throws<ArgumentException>(() => AuthorizedPeers.Under(SpiffeId.Parse("spiffe://example.org")));
    }

    [Fact]
    public void Refuses_a_peer_whose_predicate_throws() =>
        Assert.False(AuthorizedPeers.Matching(_ => throw new InvalidOperationException(), "nobody").Admits(Host));
}
