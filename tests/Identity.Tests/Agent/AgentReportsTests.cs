using Identity.Agent.ControlPlane;
using Identity.V1;

namespace Identity.Tests.Agent;

/// <summary>What the server hears again after a connection broke.</summary>
public sealed class AgentReportsTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Tells_a_decision_again_that_could_not_be_told()
    {
        var reports = new AgentReports();
        reports.Decided(new Decision { Id = "d-1" });
        Assert.Equal(AgentReport.ReportOneofCase.Admissions, (await reports.NextAsync(Cancellation)).ReportCase);
        var lost = await reports.NextAsync(Cancellation);
        reports.ToldInVain(lost);

        reports.StartOver();
        Assert.Equal(AgentReport.ReportOneofCase.Admissions, (await reports.NextAsync(Cancellation)).ReportCase);
        Assert.Equal("d-1", (await reports.NextAsync(Cancellation)).Decision.Id);
    }

    [Fact]
    public async Task Does_not_tell_an_admission_again_that_the_whole_list_repeats()
    {
        var reports = new AgentReports();
        await reports.NextAsync(Cancellation);
        reports.Admitted(new LiveAdmission { AdmissionId = "a" });
        reports.ToldInVain(await reports.NextAsync(Cancellation));

        reports.StartOver();
        Assert.Equal("a", Assert.Single((await reports.NextAsync(Cancellation)).Admissions.Admissions).AdmissionId);
        reports.Decided(new Decision { Id = "d-1" });
        Assert.Equal("d-1", (await reports.NextAsync(Cancellation)).Decision.Id);
    }

    [Fact]
    public async Task Shortens_a_decision_that_the_server_would_refuse_and_keeps_what_it_counts()
    {
        var reports = new AgentReports();
        await reports.NextAsync(Cancellation);
        var decision = new Decision { Id = $"d-{new string('a', 26)}", Kind = DecisionKind.ComponentStart, Subject = "spiffe://example.org/cart", Summary = new string('s', 40_000) };
        for (var at = 0; at < 64; at++)
        {
            decision.Reasons.Add(new Reason { Capability = $"import {at}", Explanation = new string('e', 5000), SmallestGrant = new string('g', 5000) });
            decision.Warnings.Add(new Reason { Capability = $"import {at}", Explanation = new string('w', 5000) });
            decision.Shadow.Add(new ShadowOutcome { Rule = $"lattice/rule-{at}", Capability = "import " + new string('c', 500) });
        }

        reports.Decided(decision);
        var told = (await reports.NextAsync(Cancellation)).Decision;
        Assert.InRange(told.CalculateSize(), 8 << 10, Identity.Server.ComponentPolicy.DecisionLog.MaxDecisionBytes);
        Assert.Equal((decision.Id, decision.Subject), (told.Id, told.Subject));
        Assert.Equal(decision.Shadow.Select(outcome => outcome.Rule), told.Shadow.Select(outcome => outcome.Rule));
        Assert.All(told.Reasons, reason => Assert.Equal("", reason.SmallestGrant));
        // What the agent itself explains stays whole.
        Assert.Equal((64, 40_000), (decision.Reasons.Count, decision.Summary.Length));
    }

    [Fact]
    public async Task Leaves_a_short_decision_as_it_is_and_fits_one_that_holds_nothing_but_what_is_counted()
    {
        var reports = new AgentReports();
        await reports.NextAsync(Cancellation);
        var small = new Decision { Id = "d-1", Summary = "short" };
        reports.Decided(small);
        Assert.Same(small, (await reports.NextAsync(Cancellation)).Decision);

        var many = new Decision { Id = "d-2" };
        for (var at = 0; at < 1000; at++) many.Shadow.Add(new ShadowOutcome { Rule = $"{new string('p', 64)}/rule-{at}" });
        reports.Decided(many);
        var told = (await reports.NextAsync(Cancellation)).Decision;
        Assert.InRange(told.CalculateSize(), 15 << 10, Identity.Server.ComponentPolicy.DecisionLog.MaxDecisionBytes);
        Assert.Equal("rule-0", told.Shadow[0].Rule[^6..]);
    }

    [Fact]
    public async Task Keeps_the_newest_decisions_rather_than_one_that_could_not_be_told()
    {
        var reports = new AgentReports();
        await reports.NextAsync(Cancellation);
        reports.Decided(new Decision { Id = "old" });
        var lost = await reports.NextAsync(Cancellation);
        for (var i = 0; i < 1000; i++) reports.Decided(new Decision { Id = $"d-{i}" });
        reports.ToldInVain(lost);

        for (var i = 0; i < 1000; i++) Assert.Equal($"d-{i}", (await reports.NextAsync(Cancellation)).Decision.Id);
        reports.Decided(new Decision { Id = "last" });
        Assert.Equal("last", (await reports.NextAsync(Cancellation)).Decision.Id);
    }
}
