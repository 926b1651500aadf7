using CsCheck;
using Identity.Issuance;

namespace Identity.Tests.Issuance;

public class BackdatingTests
{
    [Theory]
    [InlineData(0, 0)]
    [InlineData(10, 1)]
    [InlineData(60, 6)]
    [InlineData(1199, 119.9)]
    [InlineData(1200, 120)]
    [InlineData(1201, 120)]
    [InlineData(315532800, 120)]
    public void Is_a_tenth_of_the_lifetime_and_at_most_two_minutes(double lifetime, double expected) =>
        Assert.Equal(TimeSpan.FromSeconds(expected), Backdating.Of(TimeSpan.FromSeconds(lifetime)));

    [Fact]
    public void Leaves_every_authority_some_of_the_head_start_that_is_counted_from_its_beginning() =>
        Gen.Long[1, TimeSpan.FromDays(4000).Ticks].Select(TimeSpan.FromTicks).Where(lifetime => lifetime > TimeSpan.FromSeconds(1)).Sample(lifetime =>
            Assert.True(Backdating.Of(lifetime) < AuthorityLifecycle.HeadStart(lifetime)));
}
