using Identity.Agent.SvidCache;
using Microsoft.Extensions.Time.Testing;

namespace Identity.Tests.Agent;

public sealed class TokenRateTests
{
    [Fact]
    public void Gives_many_at_once_and_then_a_few_a_second_to_each_entry_of_its_own()
    {
        var clock = new FakeTimeProvider();
        var rate = new TokenRate(clock);
        Assert.Equal(TokenRate.Burst, TakeAll(rate, "greedy"));
        Assert.True(rate.TryTake("modest"));
        clock.Advance(TimeSpan.FromSeconds(3));
        Assert.Equal(3 * TokenRate.EachSecond, TakeAll(rate, "greedy"));
        clock.Advance(TimeSpan.FromDays(1));
        Assert.Equal(TokenRate.Burst, TakeAll(rate, "greedy"));
    }

    private static int TakeAll(TokenRate rate, string entry)
    {
        var taken = 0;
        while (rate.TryTake(entry)) taken++;
        return taken;
    }
}
