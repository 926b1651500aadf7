using Identity.Agent.SvidCache;

namespace Identity.Tests.Agent;

public sealed class FairEvictionTests
{
    private static readonly DateTimeOffset Now = new(2026, 11, 23, 12, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Takes_from_whom_has_most_and_what_ends_first()
    {
        var held = Enumerable.Range(0, 100).Select(i => ($"greedy{i:d3}", "greedy", (DateTimeOffset?)Now.AddSeconds(100 - i)))
            .Concat(Enumerable.Range(0, 50).Select(i => ($"modest{i}", $"modest{i}", (DateTimeOffset?)Now)));
        var chosen = FairEviction.Choose(held, 60);
        Assert.Equal(60, chosen.Count);
        Assert.All(chosen, key => Assert.StartsWith("greedy", key, StringComparison.Ordinal));
        Assert.Equal(Enumerable.Range(40, 60).Reverse().Select(i => $"greedy{i:d3}"), chosen);
    }

    [Fact]
    public void What_is_still_being_fetched_goes_before_what_is_held() =>
        Assert.Equal(["fetching"], FairEviction.Choose([("held", "a", Now), ("fetching", "a", null)], 1));

    [Fact]
    public void Goes_on_to_the_next_when_the_greediest_has_no_more_than_others()
    {
        var held = new[] { ("a1", "a"), ("a2", "a"), ("a3", "a"), ("b1", "b"), ("b2", "b"), ("c1", "c") }.Select(t => (t.Item1, t.Item2, (DateTimeOffset?)Now));
        var chosen = FairEviction.Choose(held, 3);
        Assert.Equal(["a1", "a2", "b1"], chosen.Order());
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(-5, 0)]
    [InlineData(9, 2)]
    public void Takes_no_more_than_there_is_to_take(int excess, int taken) =>
        Assert.Equal(taken, FairEviction.Choose([("a", "a", Now), ("b", "b", Now)], excess).Count);

    [Fact]
    public void Looks_once_at_thousands_of_owners_with_a_token_each()
    {
        var held = Enumerable.Range(0, 2000).Select(i => ($"k{i}", $"owner{i}", (DateTimeOffset?)Now)).ToList();
        var looked = 0;
        var chosen = FairEviction.Choose(held.Select(token => (looked++, token).token), 200);
        Assert.Equal(200, chosen.Distinct().Count());
        Assert.Equal(2000, looked);

        // Not once for each token that goes, which was 40 MB and as many milliseconds with everybody waiting.
        var before = GC.GetAllocatedBytesForCurrentThread();
        FairEviction.Choose(held, 200);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 1, 4 << 20);
    }
}
