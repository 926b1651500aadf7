using Identity.Policy.Evaluation;

namespace Identity.Policy;

/// <summary>The one decision behind every door: may this caller do this one thing, now? Default deny, forbid overrides permit, order-free.</summary>
public static class PolicyDecision
{
    public static CapabilityDecision Decide(CapabilityPolicy policy, Principal principal, CapabilityRequest request, DateTimeOffset now)
    {
        if (policy.Unreadable is not null) return new CapabilityDecision { Reason = RefusalReason.PolicyUnreadable };
        var tally = default(Tally);
        policy.ClauseIndex.Find(principal, request, now, ref tally);
        return tally.Decide();
    }

    /// <summary>
    /// The same where everybody may unless a rule forbids it, such as tokens of processes: allowed without a permit, and what forbids in modes warn and
    /// shadow have to say of that. Still no when the policy cannot be read.
    /// </summary>
    public static CapabilityDecision DecideUnlessForbidden(CapabilityPolicy policy, Principal principal, CapabilityRequest request, DateTimeOffset now)
    {
        if (policy.Unreadable is not null) return new CapabilityDecision { Reason = RefusalReason.PolicyUnreadable };
        var tally = default(Tally);
        policy.ClauseIndex.Find(principal, request, now, ref tally);
        return tally.DecideUnlessForbidden();
    }

    /// <summary>Why the answer is as it is, and when it is no, the nearest rule and the smallest change that turns it.</summary>
    public static Explanation Explain(CapabilityPolicy policy, Principal principal, CapabilityRequest request, DateTimeOffset now) =>
        DecisionExplainer.Explain(policy, principal, request, now);

    /// <summary>One policy document (YAML) that grants all of this and no more; for requests that no rule permits and none forbids (see <see cref="Explanation.SmallestGrant"/>).</summary>
    /// <param name="refused">At least one.</param>
    public static string SmallestGrant(CapabilityPolicy policy, IEnumerable<(Principal Principal, CapabilityRequest Request)> refused) =>
        Evaluation.SmallestGrant.Of(policy, refused.Select(one => (one.Principal, one.Request.ToCapability().ToYaml())));
}
