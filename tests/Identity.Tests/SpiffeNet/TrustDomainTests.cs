using Spiffe.Net;
using Xunit;

namespace Identity.Tests.SpiffeNet;

public class TrustDomainTests
{
    [Theory]
    [InlineData("", "empty")]
    [InlineData("Example.org", "\"E\"")]
    [InlineData("example.org/", "\"/\"")]
    [InlineData("example.org:443", "\":\"")]
    [InlineData("spiffe://example.org", "leave out spiffe://")]
    [InlineData("ex ample", "\" \"")]
    [Trait("rule", "SID-02")]
    [Trait("rule", "SID-07")]
    [Trait("rule", "SID-08")]
    public void Refuses_what_is_not_a_bare_name(string text, string expectedReason)
    {
        Assert.False(TrustDomain.TryParse(text, out var value, out var problem));
        Assert.Null(value);
        Assert.Contains(expectedReason, problem, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("rule", "SID-21")]
    public void Has_a_SPIFFE_ID_without_a_path() => Assert.Equal("spiffe://example.org", TrustDomain.Parse("example.org").Id.ToString());

    [Fact]
    public void Is_equal_by_name()
    {
        Assert.Equal(TrustDomain.Parse("a.b"), TrustDomain.Parse("a.b"));
        Assert.True(TrustDomain.Parse("a.b") != TrustDomain.Parse("ab"));
    }
}
