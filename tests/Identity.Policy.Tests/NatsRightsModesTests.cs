namespace Identity.Policy.Tests;

/// <summary>A forbid of a stream that is tried out says so of the bucket that is that stream, and the other way round.</summary>
public sealed class NatsRightsModesTests
{
    private static readonly string IsGreeter = $"spiffeId: {Samples.Greeter}";
    private static readonly RuleReference Forbid = new("sample", "rule-1");

    [Theory]
    [InlineData("bucket: settings, access: [read]", "stream: KV_settings, access: [read]", "bucket settings/app.theme read")]
    [InlineData("stream: KV_settings, access: [purge]", "bucket: settings, access: [write]", "stream KV_settings purge")]
    public void What_a_forbid_of_the_other_would_take_is_told_in_its_mode(string permitted, string forbidden, string asked)
    {
        Assert.Equal((false, null, null), Decide("enforce", permitted, forbidden, asked));
        Assert.Equal((true, null, Forbid), Decide("shadow", permitted, forbidden, asked));
        Assert.Equal((true, Forbid, null), Decide("warn", permitted, forbidden, asked));
        Assert.Equal((true, null, null), Decide("off", permitted, forbidden, asked));
    }

    [Fact]
    public void A_permit_in_mode_shadow_would_turn_nothing_that_a_forbid_of_the_other_takes()
    {
        var policy = Policy(("permit", "shadow", "bucket: settings, access: [read]"), ("forbid", "enforce", "stream: KV_settings, access: [read]"));
        var decision = NatsRights.Decide(policy, Principal.Process(Samples.Greeter), CapabilityRequest.Parse("bucket settings/app.theme read"), Samples.Now);
        Assert.Equal((false, null, null), (decision.Allowed, decision.ShadowAllowed, decision.ShadowRule));
    }

    private static (bool Allowed, RuleReference? Warning, RuleReference? Shadow) Decide(string mode, string permitted, string forbidden, string asked)
    {
        var decision = NatsRights.Decide(
            Policy(("permit", "enforce", permitted), ("forbid", mode, forbidden)), Principal.Process(Samples.Greeter), CapabilityRequest.Parse(asked), Samples.Now);
        Assert.Equal(decision.ShadowRule is null ? null : false, decision.ShadowAllowed);
        Assert.Equal(decision.Warning is not null, decision.Warned);
        return (decision.Allowed, decision.Warning, decision.ShadowRule);
    }

    private static CapabilityPolicy Policy(params (string Effect, string Mode, string Capability)[] rules) =>
        Samples.Policy(Samples.Source([.. rules.Select(rule => ($"{rule.Effect}, mode: {rule.Mode}", IsGreeter, $"{{ {rule.Capability} }}"))]));
}
