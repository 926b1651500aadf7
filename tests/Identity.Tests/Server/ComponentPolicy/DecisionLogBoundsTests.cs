using Identity.Server.ComponentPolicy;
using Identity.V1;
using Spiffe.Net;

namespace Identity.Tests.Server.ComponentPolicy;

/// <summary>What one that is asked for much, or says much, may take of the log.</summary>
public sealed class DecisionLogBoundsTests : PolicyServerTest
{
    private static readonly SpiffeId Agent = SpiffeId.Parse("spiffe://example.org/spire/agent/one");

    [Theory]
    [InlineData(100, 1)]
    [InlineData(2_000, 2)]
    [InlineData(8_000, 8)]
    [InlineData(1_000_000, 17)]
    public void A_large_decision_counts_as_several(int summary, int weight) =>
        Assert.Equal(weight, DecisionLog.WeightOf(new Decision { Summary = new string('x', summary) }));

    [Fact]
    public void A_report_tells_no_more_than_sixty_four_outcomes_of_shadow_rules()
    {
        var log = _server.Decisions;
        var fit = new Decision { Id = DecisionId.Create(), Kind = DecisionKind.ComponentStart, Shadow = { Enumerable.Range(0, 64).Select(_ => new Identity.V1.ShadowOutcome { Rule = "p/r" }) } };
        Assert.True(log.TryRecordReported(fit, Agent));
        var unfit = new Decision(fit) { Id = DecisionId.Create(), Shadow = { new Identity.V1.ShadowOutcome { Rule = "p/r" } } };
        Assert.False(log.TryRecordReported(unfit, Agent));
        Assert.Null(log.TryGet(unfit.Id));
    }

    [Fact]
    public void At_a_start_no_more_is_read_than_is_kept()
    {
        foreach (var number in Enumerable.Range(0, 10)) _server.Decisions.Record(new Decision { Subject = "spiffe://example.org/a", Summary = $"{number}{new string('x', 1000)}" });
        IReadOnlyList<byte[]> all;
        do all = _server.Ledger.ReadDecisions(100);
        while (all.Count < 10);
        Assert.Equal(3, _server.Ledger.ReadDecisions(100, all.Take(3).Sum(one => one.Length)).Count);
        Assert.Equal(all.Take(3), _server.Ledger.ReadDecisions(100, all.Take(4).Sum(one => one.Length) - 1));
    }
}
