using System.Globalization;
using CsCheck;

namespace Identity.Policy.Tests.Language;

/// <summary>What holds for every policy, caller and request of every kind: the theorems of Cedar, errors denying, and our modes.</summary>
public sealed class PolicyDecisionPropertyTests
{
    // POLICY_CASES=2000000 runs each of these for minutes.
    private static readonly int Runs = int.TryParse(Environment.GetEnvironmentVariable("POLICY_CASES"), CultureInfo.InvariantCulture, out var runs) ? runs : 2_000;

    [Fact]
    public void Decides_as_a_plain_reading_of_every_rule_does() => Sample((rules, labels, principal, request) =>
    {
        var decision = Decide(rules, labels, principal, request);
        Assert.Equal(PolicyWorld.Allows(rules, labels, principal, request), decision.Allowed);
        var shadow = PolicyWorld.Allows(rules, labels, principal, request, withShadow: true);
        Assert.Equal(shadow == decision.Allowed ? null : shadow, decision.ShadowAllowed);
        if (decision.Determining is { } rule) Assert.Equal(decision.Allowed ? RuleEffect.Permit : RuleEffect.Forbid, Rule(rules, rule).Effect);
        if (!decision.Allowed) Assert.Equal(decision.Determining is null ? RefusalReason.NotGranted : RefusalReason.Forbidden, decision.Reason);
        if (decision.Allowed) Assert.True(decision.ValidUntil is null || decision.ValidUntil > Samples.Now);
    }, 5);

    [Fact]
    public void The_determining_rule_alone_decides_the_same() => Sample((rules, labels, principal, request) =>
    {
        var decision = Decide(rules, labels, principal, request);
        if (decision.Determining is not { } determining) return;
        var alone = Decide([Rule(rules, determining)], labels, principal, request);
        Assert.Equal((decision.Allowed, decision.Determining, decision.Reason), (alone.Allowed, alone.Determining, alone.Reason));
    });

    [Fact]
    public void Without_a_permit_nothing_is_allowed() => Sample((rules, labels, principal, request) =>
        Assert.False(Decide([.. rules.Where(rule => rule.Effect == RuleEffect.Forbid)], labels, principal, request).Allowed));

    [Fact]
    public void An_enforced_forbid_overrides_every_permit() => Sample((rules, labels, principal, request) =>
    {
        var forbid = new PolicyRule
        {
            Name = "extra",
            Effect = RuleEffect.Forbid,
            Subjects = [new PolicySubject { SpiffeId = principal.Id }],
            Capabilities = [request.ToCapability()],
        };
        Assert.Equal(RefusalReason.Forbidden, Decide([.. rules, forbid], labels, principal, request).Reason);
    });

    [Fact]
    public void No_order_says_anything() => Try(
        Gen.Select(PolicyWorld.CaseGen, PolicyWorld.PrincipalGen).SelectMany(one => Shuffle.Of(one.Item1.Rules, one.Item1.Labels).Select(documents => (one.Item1, one.Item2, documents))),
        one =>
        {
            var (world, principal, (plain, shuffled)) = one;
            var decision = PolicyDecision.Decide(CapabilityPolicy.Create(plain, 1), principal, world.Request, Samples.Now);
            Assert.Equal(decision, PolicyDecision.Decide(CapabilityPolicy.Create(shuffled, 1), principal, world.Request, Samples.Now));
            // Nor does it matter which document says it, but for the name of the rule that is told: the first of several by policy and rule.
            var together = Decide(world.Rules, world.Labels, principal, world.Request);
            Assert.Equal(Answer(together), Answer(decision));

            static object Answer(CapabilityDecision decision) => (decision.Allowed, decision.Reason, decision.Warned, decision.ShadowAllowed, decision.ValidUntil);
        },
        5 * Runs);

    [Fact]
    public void What_is_said_twice_is_said_once() => Sample((rules, labels, principal, request) =>
        Assert.Equal(
            Decide(rules, labels, principal, request).Allowed,
            Decide([.. rules, .. rules.Select(rule => rule with { Name = rule.Name + "-again" })], [.. labels, .. labels], principal, request).Allowed));

    [Fact]
    public void Adding_a_forbid_never_allows_more() => SampleWithExtra((rules, extra, labels, principal, request) =>
        Assert.True(Decide(rules, labels, principal, request).Allowed || !Decide([.. rules, extra with { Effect = RuleEffect.Forbid, Expires = null }], labels, principal, request).Allowed));

    [Fact]
    public void Adding_a_permit_never_allows_less() => SampleWithExtra((rules, extra, labels, principal, request) =>
        Assert.True(!Decide(rules, labels, principal, request).Allowed || Decide([.. rules, extra with { Effect = RuleEffect.Permit }], labels, principal, request).Allowed));

    [Fact]
    public void What_is_not_told_never_allows_more() => Sample((rules, labels, principal, request) =>
        Assert.True(
            Decide(rules, labels, principal, request).Allowed
            || !Decide(rules, labels, principal with { Unknown = (PrincipalAttributes)63 }, request).Allowed));

    [Fact]
    public void A_rule_that_cannot_be_evaluated_never_allows_more() => SampleWithExtra((rules, extra, labels, principal, request) =>
    {
        var before = Decide(rules, labels, principal, request).Allowed;
        foreach (var broken in new[] { extra with { Subjects = [] }, extra with { Capabilities = default }, extra with { Subjects = [new PolicySubject()] }, extra with { Effect = (RuleEffect)7 }, extra with { Effect = RuleEffect.Forbid, Mode = (RuleMode)9 } })
            Assert.True(before || !Decide([.. rules, broken], labels, principal, request).Allowed);
    });

    [Fact]
    public void Off_is_absent() => SampleWithExtra((rules, extra, labels, principal, request) =>
        Assert.Equal(Decide(rules, labels, principal, request), Decide([.. rules, extra with { Mode = RuleMode.Off }], labels, principal, request)));

    [Fact]
    public void Shadow_has_no_effect_and_says_what_enforcing_would_bring() => SampleWithExtra((rules, extra, labels, principal, request) =>
    {
        rules = [.. rules.Where(rule => rule.Mode != RuleMode.Shadow)];
        var without = Decide(rules, labels, principal, request);
        var with = Decide([.. rules, extra with { Mode = RuleMode.Shadow }], labels, principal, request);
        var enforced = Decide([.. rules, extra with { Mode = RuleMode.Enforce }], labels, principal, request);
        Assert.Equal(without, with with { ShadowAllowed = null, ShadowRule = null });
        Assert.Equal(enforced.Allowed, with.ShadowAllowed ?? with.Allowed);
        Assert.Equal(with.ShadowAllowed is null, with.ShadowRule is null);
    });

    [Fact]
    public void Warn_lets_it_happen_and_says_so() => SampleWithExtra((rules, extra, labels, principal, request) =>
    {
        rules = [.. rules.Where(rule => rule.Mode != RuleMode.Warn)];
        var without = Decide(rules, labels, principal, request);
        var enforced = Decide([.. rules, extra with { Mode = RuleMode.Enforce }], labels, principal, request);
        var warned = Decide([.. rules, extra with { Mode = RuleMode.Warn }], labels, principal, request);
        Assert.Equal(extra.Effect == RuleEffect.Permit ? enforced.Allowed : without.Allowed, warned.Allowed);
        var turns = enforced.Allowed != without.Allowed;
        Assert.Equal((turns, turns ? new RuleReference("p", "extra") : null), (warned.Warned, warned.Warning));
    });

    [Fact]
    public void Every_smallest_grant_turns_the_answer_and_where_there_is_none_no_grant_can() => Sample((rules, labels, principal, request) =>
    {
        var policy = PolicyWorld.Policy(rules, labels);
        var explanation = PolicyDecision.Explain(policy, principal, request, Samples.Now);
        var allowed = PolicyDecision.Decide(policy, principal, request, Samples.Now).Allowed;
        Assert.Equal(allowed, explanation.Refusals.IsEmpty);
        if (allowed) return;
        var refusal = Assert.Single(explanation.Refusals);
        if (explanation.SmallestGrant is not { } grant)
        {
            Assert.True(refusal.ForbiddenBy is not null || refusal.Reason == RefusalReason.NotGrantable);
            return;
        }

        var granted = CapabilityPolicy.Create([.. policy.Documents, Samples.Document(grant)], 2);
        Assert.True(PolicyDecision.Decide(granted, principal, request, Samples.Now).Allowed, grant);
        var capability = Assert.Single(Assert.Single(Samples.Document(grant).Rules).Capabilities);
        Assert.Equal(request.ToCapability(), capability);
    });

    private static CapabilityDecision Decide(PolicyRule[] rules, LabelAssignment[] labels, Principal principal, CapabilityRequest request) =>
        PolicyDecision.Decide(PolicyWorld.Policy(rules, labels), principal, request, Samples.Now);

    private static PolicyRule Rule(PolicyRule[] rules, RuleReference reference) => rules.Single(rule => rule.Name == reference.Rule);

    private static void Sample(Action<PolicyRule[], LabelAssignment[], Principal, CapabilityRequest> holds, int times = 1) =>
        Try(Gen.Select(PolicyWorld.CaseGen, PolicyWorld.PrincipalGen), one => holds(one.Item1.Rules, one.Item1.Labels, one.Item2, one.Item1.Request), times * Runs);

    private static void SampleWithExtra(Action<PolicyRule[], PolicyRule, LabelAssignment[], Principal, CapabilityRequest> holds) =>
        Try(
            PolicyWorld.CaseGen.SelectMany(world => Gen.Select(PolicyWorld.RuleAbout(world.Request), PolicyWorld.PrincipalGen, (extra, principal) => (world, extra, principal))),
            one => holds(one.world.Rules, one.extra, one.world.Labels, one.principal, one.world.Request),
            Runs);

    // Other cases each time; with a seed the same ones, for evidence that can be had again.
    private static void Try<T>(Gen<T> gen, Action<T> holds, int runs)
    {
        if (Analysis.Cases.IsSeeded) Analysis.Cases.Each(gen, runs, holds);
        else gen.Sample(holds, iter: runs);
    }
}
