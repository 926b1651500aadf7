using Identity.Policy.Evaluation;

namespace Identity.Policy;

/// <summary>
/// <see cref="PolicyDecision"/>, in agreement with what nats-server is told of streams, consumers and buckets: a bucket is a stream by another name,
/// so that a forbid of the one takes away what could be had by the other (<see cref="NatsPermissions"/>). Of all other requests it says the same.
/// What nats-server takes away beyond that, because no list of subjects can tell keys apart that are read, is not denied here.
/// </summary>
public static class NatsRights
{
    public static CapabilityDecision Decide(CapabilityPolicy policy, Principal principal, CapabilityRequest request, DateTimeOffset now)
    {
        var decision = PolicyDecision.Decide(policy, principal, request, now);
        if (request is not (CapabilityRequest.Stream or CapabilityRequest.Consumer or CapabilityRequest.Bucket)) return decision;
        if (decision is { Allowed: false, ShadowAllowed: null, Reason: not RefusalReason.NotGranted }) return decision;
        if (FirstForbid(policy, principal, request, now, RuleMode.Enforce) is { } forbid)
        {
            // What a rule in mode shadow would permit, this one takes all the same.
            if (decision is { Allowed: false, Reason: not RefusalReason.NotGranted }) return decision with { ShadowAllowed = null, ShadowRule = null };
            // No permit would help, so it is said also where there is none.
            forbid.Subject.MayMean(principal, out var untold);
            return new CapabilityDecision { Determining = forbid.Rule, Reason = RefusalReason.Forbidden, Untold = untold };
        }

        if (decision.ShadowAllowed != false && FirstForbid(policy, principal, request, now, RuleMode.Shadow) is { } shadow)
            decision = decision.Allowed ? decision with { ShadowAllowed = false, ShadowRule = shadow.Rule } : decision with { ShadowAllowed = null, ShadowRule = null };
        var isObjected = decision.Warning is { } said && said != decision.Determining;
        return decision.Allowed && !isObjected && FirstForbid(policy, principal, request, now, RuleMode.Warn) is { } warn
            ? decision with { Warned = true, Warning = warn.Rule }
            : decision;
    }

    public static Explanation Explain(CapabilityPolicy policy, Principal principal, CapabilityRequest request, DateTimeOffset now)
    {
        var decision = Decide(policy, principal, request, now);
        if (decision.Allowed || decision.Reason != RefusalReason.Forbidden || PolicyDecision.Decide(policy, principal, request, now) is { Allowed: false, Reason: RefusalReason.Forbidden })
            return PolicyDecision.Explain(policy, principal, request, now);
        var refusal = DecisionExplainer.RefusalOf(policy, principal, request, decision, now);
        return new Explanation(principal.Id.ToString(), [refusal with { Detail = $"{refusal.Detail}: by it, {ByWhat(request)}" }], SmallestGrant: null);
    }

    private static PolicyClause? FirstForbid(CapabilityPolicy policy, Principal principal, CapabilityRequest request, DateTimeOffset now, RuleMode mode)
    {
        PolicyClause? first = null;
        foreach (var clause in policy.ClauseIndex.NatsClausesAbout(principal))
        {
            if (clause.Effect == RuleEffect.Permit || clause.Mode != mode || clause.IsExpired(now) || (first is not null && first.Rank <= clause.Rank)) continue;
            if (clause.Subject.MayMean(principal, out _) && NatsJetStream.TakesAway(clause.Capability, request)) first = clause;
        }

        return first;
    }

    private static string ByWhat(CapabilityRequest request) =>
        request is CapabilityRequest.Bucket ? "the bucket would give the same as what is forbidden" : "the stream would give the same as what is forbidden";
}
