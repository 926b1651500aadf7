using Identity.Policy.Evaluation;

namespace Identity.Policy;

/// <summary>
/// <see cref="PolicyDecision"/>, in agreement with what nats-server is told of streams, consumers and buckets: a bucket is a stream by another name,
/// so that a forbid of the one takes away what could be had by the other (<see cref="NatsPermissions"/>). Of all other requests it says the same.
/// What nats-server takes away beyond that, because no list of subjects can tell keys apart that are read, is not denied here: <see cref="WhyRefusedOnNats"/> says it of one request, and a
/// difference of logins (<see cref="Analysis.PolicyDiff"/>).
/// </summary>
public static class NatsRights
{
    public static CapabilityDecision Decide(CapabilityPolicy policy, Principal principal, CapabilityRequest request, DateTimeOffset now)
    {
        var decision = PolicyDecision.Decide(policy, principal, request, now);
        if (request is not (CapabilityRequest.Stream or CapabilityRequest.Consumer or CapabilityRequest.Bucket)) return decision;
        if (decision is { Allowed: false, ShadowAllowed: null, Reason: not RefusalReason.NotGranted }) return decision;
        var taking = default(TakingForbids);
        policy.ClauseIndex.FindTaking(principal, request, ref taking);
        if (taking.Enforced is { } forbid)
        {
            // What a rule in mode shadow would permit, this one takes all the same.
            if (decision is { Allowed: false, Reason: not RefusalReason.NotGranted }) return decision with { ShadowAllowed = null, ShadowRule = null };
            // No permit would help, so it is said also where there is none.
            forbid.Subject.MayMean(principal, out var untold);
            return new CapabilityDecision { Determining = forbid.Rule, Reason = RefusalReason.Forbidden, Untold = untold };
        }

        if (decision.ShadowAllowed != false && taking.Shadow is { } shadow)
            decision = decision.Allowed ? decision with { ShadowAllowed = false, ShadowRule = shadow.Rule } : decision with { ShadowAllowed = null, ShadowRule = null };
        var isObjected = decision.Warning is { } said && said != decision.Determining;
        return decision.Allowed && !isObjected && taking.Warning is { } warn
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

    /// <summary>
    /// Why nats-server refuses what is permitted, as one sentence that is the same wherever it is said; null when it lets the caller do it, and for what is not of NATS.
    /// Of many requests of one caller, ask one <see cref="NatsReach"/>.
    /// </summary>
    /// <param name="request">That <see cref="Decide"/> allows.</param>
    public static string? WhyRefusedOnNats(CapabilityPolicy policy, Principal principal, CapabilityRequest request, DateTimeOffset now) =>
        NatsReach.IsAbout(request) ? NatsReach.Of(policy, principal, now).WhyRefused(request) : null;

    private static string ByWhat(CapabilityRequest request) =>
        request is CapabilityRequest.Bucket ? "the bucket would give the same as what is forbidden" : "the stream would give the same as what is forbidden";
}
