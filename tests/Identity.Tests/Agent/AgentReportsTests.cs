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
