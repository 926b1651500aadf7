using Identity.Policy;
using Identity.Server.ComponentPolicy;
using Identity.Server.NatsAuthCallout;
using Spiffe.Net;
using static Identity.Tests.Server.ComponentPolicy.TestPolicies;

namespace Identity.Tests.Server.ComponentPolicy;

public sealed class StageTrialTests
{
    private static readonly SpiffeId Clerk = SpiffeId.Parse($"{Shop}/clerk");
    private static readonly DateTimeOffset Now = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private static readonly CapabilityPolicy Current = Of(Permit("shop", capability: "{ natsPublish: orders.new }, { natsSubscribe: orders.done }"));

    [Theory]
    [InlineData("{ natsPublish: orders.new }, { natsSubscribe: orders.done }, { natsPublish: orders.more }", null)]
    [InlineData("{ natsPublish: orders.new }", "subscribe orders.done")]
    [InlineData("{ natsSubscribe: orders.done }", "publish orders.new")]
    [InlineData("start", "would be refused")]
    public void A_login_loses_nothing_unseen(string granted, string? why) => Says(why, Permit("shop", capability: granted));

    [Fact]
    public void A_forbid_within_what_a_login_may_say_is_seen() => Says("orders.new", Current.Documents[0].Source, Forbid("guard", capability: "{ natsPublish: orders.new }"));

    [Fact]
    public void A_forbid_that_means_somebody_else_is_not() =>
        Says(null, Current.Documents[0].Source, Forbid("guard", "{ spiffeId: spiffe://example.org/components/bank }", "{ natsPublish: orders.new }"));

    [Fact]
    public void A_candidate_that_cannot_be_read_denies_everything() => Says("would be refused", "kind: Nonsense");

    private static void Says(string? expected, params string[] candidate)
    {
        var facts = new LoginFacts(Current, new TrustBundleSet(), _ => new LoginStanding.Workload(), 1);
        var why = new StageTrial(Current, Of(candidate), narrows: true, Now).WhyDenied(Clerk, facts);
        if (expected is null) Assert.Null(why);
        else Assert.Contains(expected, why, StringComparison.Ordinal);
    }

    private static CapabilityPolicy Of(params string[] sources) => CapabilityPolicy.FromSources(sources, 1);
}
