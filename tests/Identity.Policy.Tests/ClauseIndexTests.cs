using Identity.Policy.Evaluation;

namespace Identity.Policy.Tests;

/// <summary>What finds clauses must stay quick however rules happen to be numbered.</summary>
public sealed class ClauseIndexTests
{
    private const int Rules = 10_000;

    [Theory]
    // One rule after another, each with a caller and a subject of its own: the two numbers rise together.
    [InlineData(1, 1, 3)]
    [InlineData(1, 1, 0)]
    [InlineData(1, -1, 40_000)]
    [InlineData(1, 2, 17)]
    [InlineData(2, 1, 5)]
    [InlineData(1024, 1024, 9)]
    [InlineData(1, 0, 5)]
    [InlineData(0, 1, 5)]
    public void Numbers_that_rise_side_by_side_do_not_share_their_hashes(int subjects, int capabilities, int apart)
    {
        var pairs = Enumerable.Range(1, Rules).Select(number => ClauseIndex.Pair(number * subjects + apart, number * capabilities + 2 * apart)).ToList();
        Assert.Equal(Rules, pairs.Distinct().Count());
        Assert.InRange(pairs.Select(pair => pair.GetHashCode()).Distinct().Count(), Rules * 99 / 100, Rules);
        // In as many buckets as a dictionary of them has, or fewer.
        Assert.InRange(pairs.GroupBy(pair => (uint)pair.GetHashCode() % 10_103).Max(bucket => bucket.Count()), 1, 12);
    }
}
