// Waits have a deadline of their own (NextAsync), and the agent's end cancels every call.
#pragma warning disable xUnit1051

using Spiffe.WorkloadApi.V1;
using static Identity.Tests.Agent.AgentTestExtensions;
using static Identity.Tests.Agent.RunningAgent;

namespace Identity.Tests.Agent;

/// <summary>A process may ask tokens for any audience; what rules in modes shadow and warn would make of that is reported all the same.</summary>
public sealed class ShadowedAudienceTests
{
    private const string Process = "spiffe://example.org/a";

    [Theory]
    [InlineData("shadow")]
    [InlineData("warn")]
    public async Task A_forbid_that_is_tried_out_is_reported_with_the_token_that_it_would_refuse(string mode)
    {
        await using var plane = new FakeControlPlane(TimeProvider.System);
        plane.Entry("e1", Process, "spiffe://example.org/nodes/local", OwnUid);
        plane.Policies.Add(Rule("forbid", mode, "bank"));
        await plane.StartAsync();
        await using var agent = await StartAsync(plane);

        // Neither of these is turned by the rule; the third is, and once is enough until policy changes.
        foreach (var audience in (string[])["other", "other", "bank", "bank"])
            Assert.Single((await agent.Workload.FetchJWTSVIDAsync(new JWTSVIDRequest { Audience = { audience } }, WorkloadHeader)).Svids);

        var told = (await plane.NextReportAsync(V1.AgentReport.ReportOneofCase.Decision)).Decision;
        Assert.Equal((true, Process, V1.DecisionKind.WorkloadSvid), (told.Allowed, told.Subject, told.Kind));
        Assert.Equal(mode == "shadow" ? ["tried/rule audience bank False"] : [], told.Shadow.Select(outcome => $"{outcome.Rule} {outcome.Capability} {outcome.WouldAllow}"));
        Assert.Equal(mode == "warn" ? ["tried/rule audience bank"] : [], told.Warnings.Select(warning => $"{warning.Rule} {warning.Capability}"));

        plane.Policies[0] = Rule("forbid", mode, "other");
        plane.Push();
        await agent.FollowsAsync(plane);
        await agent.Workload.FetchJWTSVIDAsync(new JWTSVIDRequest { Audience = { "bank", "other" } }, WorkloadHeader);
        told = (await plane.NextReportAsync(V1.AgentReport.ReportOneofCase.Decision)).Decision;
        Assert.Equal("audience other", Assert.Single([.. told.Shadow.Select(outcome => outcome.Capability), .. told.Warnings.Select(warning => warning.Capability)]));
    }

    [Theory]
    [InlineData("shadow")]
    [InlineData("warn")]
    public async Task A_permit_says_nothing_where_none_is_needed(string mode)
    {
        await using var plane = new FakeControlPlane(TimeProvider.System);
        plane.Entry("e1", Process, "spiffe://example.org/nodes/local", OwnUid);
        plane.Policies.Add(Rule("permit", mode, "bank"));
        await plane.StartAsync();
        await using var agent = await StartAsync(plane);
        Assert.Single((await agent.Workload.FetchJWTSVIDAsync(new JWTSVIDRequest { Audience = { "bank" } }, WorkloadHeader)).Svids);

        plane.Policies[0] = Rule("forbid", mode, "bank");
        plane.Push();
        await agent.FollowsAsync(plane);
        await agent.Workload.FetchJWTSVIDAsync(new JWTSVIDRequest { Audience = { "bank" } }, WorkloadHeader);

        // The first that is reported is that of the forbid.
        var told = (await plane.NextReportAsync(V1.AgentReport.ReportOneofCase.Decision)).Decision;
        Assert.Equal(plane.Revision, told.PolicyRevision);
    }

    private static string Rule(string effect, string mode, string audience) =>
        $"kind: CapabilityPolicy\nname: tried\nrules:\n  - name: rule\n    effect: {effect}\n    mode: {mode}\n    subjects: [{{ spiffeId: {Process} }}]\n    capabilities: [{{ audience: {audience} }}]\n";
}
