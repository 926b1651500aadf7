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
        if (!decision.Allowed || FirstForbid(policy, principal, request, now) is not { } forbid) return decision;
        forbid.Subject.MayMean(principal, out var untold);
        return new CapabilityDecision { Determining = forbid.Rule, Reason = RefusalReason.Forbidden, Untold = untold };
    }

    public static Explanation Explain(CapabilityPolicy policy, Principal principal, CapabilityRequest request, DateTimeOffset now)
    {
        var decision = Decide(policy, principal, request, now);
        if (decision.Allowed || PolicyDecision.Decide(policy, principal, request, now) is not { Allowed: true })
            return PolicyDecision.Explain(policy, principal, request, now);
        var refusal = DecisionExplainer.RefusalOf(policy, principal, request, decision, now);
        return new Explanation(principal.Id.ToString(), [refusal with { Detail = $"{refusal.Detail}: by it, {ByWhat(request)}" }], SmallestGrant: null);
    }

    private static PolicyClause? FirstForbid(CapabilityPolicy policy, Principal principal, CapabilityRequest request, DateTimeOffset now)
    {
        if (request is not (CapabilityRequest.Stream or CapabilityRequest.Consumer or CapabilityRequest.Bucket)) return null;
        PolicyClause? first = null;
        foreach (var clause in new Evaluator(policy, principal, now).NatsClauses)
        {
            if (clause.Effect != RuleEffect.Permit && (first is null || clause.Rank < first.Rank) && NatsJetStream.TakesAway(clause.Capability, request)) first = clause;
        }

        return first;
    }

    private static string ByWhat(CapabilityRequest request) =>
        request is CapabilityRequest.Bucket ? "the bucket would give the same as what is forbidden" : "the stream would give the same as what is forbidden";
}
