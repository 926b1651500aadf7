using Identity.Agent.Endpoints;

namespace Identity.Tests.Agent;

public sealed class FairSharesTests
{
    [Fact]
    public void Gives_one_alone_half_of_what_is_not_reserved_and_a_second_half_of_what_is_left_of_that()
    {
        var shares = new FairShares(100);
        Assert.Equal(38, TakeAll(shares, 1));
        Assert.Equal(19, TakeAll(shares, 2));
        Assert.Equal(0, TakeAll(shares, 1));
    }

    [Fact]
    public void Leaves_something_to_hundreds_however_greedy_those_before_them_were()
    {
        var shares = new FairShares(20_000);
        for (var caller = 0; caller < 300; caller++) Assert.NotEqual(0, TakeAll(shares, caller));
    }

    [Fact]
    public void Leaves_something_to_who_comes_after_many_greedy_ones()
    {
        var shares = new FairShares(1000);
        for (var caller = 0; caller < 5; caller++) TakeAll(shares, caller);
        Assert.True(TakeAll(shares, 5) >= 10);
    }

    [Fact]
    public void Takes_back_what_is_given_back_and_only_once()
    {
        var shares = new FairShares(2);
        var first = shares.TryTake(1)!;
        Assert.Null(shares.TryTake(1));
        first.Dispose();
        first.Dispose();
        Assert.Equal(1, TakeAll(shares, 1));
    }

    [Theory]
    [InlineData(1024UL, 384, 64)]
    [InlineData(20_000UL, 7500, 1000)]
    [InlineData(1UL << 40, 28_000, 1000)]
    public void As_many_connections_as_files_can_be_opened_for(ulong openFiles, int workloads, int hosts)
    {
        var limits = new ConnectionLimits(openFiles);
        Assert.Equal((workloads, hosts), (limits.Workloads, limits.Hosts));
    }

    private static int TakeAll(FairShares shares, long caller)
    {
        var taken = 0;
        while (shares.TryTake(caller) is not null) taken++;
        return taken;
    }
}
