using Identity.Issuance;
using Xunit;

namespace Identity.Tests.Issuance;

public class IssuanceProfileTests
{
    [Theory]
    [InlineData(9, 3600, 300, 3600, "default X.509-SVID lifetime")]
    [InlineData(3600, 60, 300, 3600, "below the default")]
    [InlineData(3600, 700_000, 300, 3600, "longest X.509-SVID lifetime")]
    [InlineData(3600, 3600, 5, 3600, "default JWT-SVID lifetime")]
    [InlineData(3600, 3600, 300, 100_000, "longest JWT-SVID lifetime")]
    public void Refuses_bounds_that_contradict_each_other(int x509, int x509Max, int jwt, int jwtMax, string reason)
    {
        Assert.False(IssuanceProfile.TryCreate(
            TimeSpan.FromSeconds(x509), TimeSpan.FromSeconds(x509Max), TimeSpan.FromSeconds(jwt), TimeSpan.FromSeconds(jwtMax), out var profile, out var problem));
        Assert.Null(profile);
        Assert.Contains(reason, problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Its_default_is_within_its_own_bounds()
    {
        var profile = IssuanceProfile.Default;
        Assert.True(IssuanceProfile.TryCreate(
            profile.DefaultX509Lifetime, profile.MaxX509Lifetime, profile.DefaultJwtLifetime, profile.MaxJwtLifetime, out _, out _));
    }
}
