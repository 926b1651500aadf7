// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using Identity.V1;

namespace Identity.Tests.Server.DecisionPoints;

/// <summary>Rules in modes shadow and warn, as seen through a door.</summary>
public sealed class ShadowedDecisionTests
{
    private const string Policy = """
        kind: CapabilityPolicy
        name: shop
        rules:
          - name: cart
            effect: permit
            subjects: [{ spiffeId: "spiffe://example.org/cart" }]
            capabilities: [{ connect: "*.example.com:443" }]
          - name: soon
            effect: forbid
            mode: shadow
            subjects: [{ spiffeId: "spiffe://example.org/cart" }]
            capabilities: [{ connect: "old.example.com:443" }]
          - name: please-not
            effect: forbid
            mode: warn
            subjects: [{ spiffeId: "spiffe://example.org/cart" }]
            capabilities: [{ connect: "slow.example.com:443" }]
        """;

    [Fact]
    public async Task What_a_shadow_rule_would_have_done_is_counted_kept_and_not_done()
    {
        await using var world = await DecisionWorld.StartAsync(Policy);
        var answer = await AskAsync(world, "old.example.com:443", dryRun: false);
        Assert.True(answer.Allowed);
        var outcome = Assert.Single((await new DecisionPoint.DecisionPointClient(world.Server.Admin).ExplainAsync(new ExplainRequest { DecisionId = answer.DecisionId })).Shadow);
        Assert.Equal(("shop/soon", false), (outcome.Rule, outcome.WouldAllow));
        var count = Assert.Single((await new PolicyAdmin.PolicyAdminClient(world.Server.Admin).ListShadowCountsAsync(new ListShadowCountsRequest())).Counts);
        Assert.Equal(("shop/soon", 1UL, answer.DecisionId), (count.Rule, count.WouldDeny, count.Example));
    }

    [Fact]
    public async Task A_dry_run_and_what_no_shadow_rule_is_about_count_nothing()
    {
        await using var world = await DecisionWorld.StartAsync(Policy);
        Assert.True((await AskAsync(world, "old.example.com:443", dryRun: true)).Allowed);
        Assert.True((await AskAsync(world, "new.example.com:443", dryRun: false)).Allowed);
        Assert.False((await AskAsync(world, "old.example.com:80", dryRun: false)).Allowed);
        Assert.Empty((await new PolicyAdmin.PolicyAdminClient(world.Server.Admin).ListShadowCountsAsync(new ListShadowCountsRequest())).Counts);
    }

    [Fact]
    public async Task A_warn_rule_is_told_with_the_answer_and_kept()
    {
        await using var world = await DecisionWorld.StartAsync(Policy);
        var answer = await AskAsync(world, "slow.example.com:443", dryRun: false);
        Assert.True(answer.Allowed);
        Assert.Equal("shop/please-not", Assert.Single(answer.Verdicts).Warning);
        var kept = await new DecisionPoint.DecisionPointClient(world.Server.Admin).ExplainAsync(new ExplainRequest { DecisionId = answer.DecisionId });
        Assert.Equal("shop/please-not", Assert.Single(kept.Warnings).Rule);
    }

    private static async Task<DecideResponse> AskAsync(DecisionWorld world, string target, bool dryRun) => await new DecisionPoint.DecisionPointClient(world.Server.Admin).DecideAsync(
        new DecideRequest
        {
            Principal = new DecisionPrincipal { SpiffeId = "spiffe://example.org/cart" },
            Questions = { new CapabilityQuestion { Kind = "connect", Value = target } },
            DryRun = dryRun,
        });
}
