using Identity.Policy.Evaluation;
using Spiffe.Net;

namespace Identity.Policy;

public enum NatsAction
{
    Publish = 0,
    Subscribe,
}

/// <summary>
/// Says why nats-server will refuse something to an identity that is logged in: in the words of <see cref="PolicyDecision.Explain"/>, and what
/// only nats-server makes so beside them.
/// </summary>
public static class NatsExplanation
{
    /// <summary>Null when policy permits it. For a workload that is a process.</summary>
    public static Explanation? WhyNot(CapabilityPolicy policy, SpiffeId id, NatsAction action, NatsSubject subject, DateTimeOffset now) =>
        WhyNot(policy, Principal.Process(id), action, subject, now);

    /// <summary>Null when policy permits it. For an admitted component, by the digest and host of its admission.</summary>
    public static Explanation? WhyNot(
        CapabilityPolicy policy, SpiffeId id, ComponentDigest digest, SpiffeId host, NatsAction action, NatsSubject subject, DateTimeOffset now) =>
        WhyNot(policy, Principal.Component(id, digest, host), action, subject, now);

    public static Explanation? WhyNot(CapabilityPolicy policy, Principal caller, NatsAction action, NatsSubject subject, DateTimeOffset now)
    {
        CapabilityRequest request = action == NatsAction.Subscribe ? new CapabilityRequest.NatsSubscribe(subject) : new CapabilityRequest.NatsPublish(subject);
        var asked = request.ToString();
        var decided = PolicyDecision.Explain(policy, caller, request, now);
        if (decided.Refusals is [{ Reason: RefusalReason.PolicyUnreadable or RefusalReason.Forbidden }]) return decided;

        // A forbid of a stream, consumer or bucket, which takes subjects away.
        var evaluator = new Evaluator(policy, caller, now);
        if (FirstAbout(evaluator, permits: false, capability => Forbids(capability, action, subject)) is { } forbid)
            return Explain(caller, Explainer.Forbidden(asked, forbid.Rule));

        var inbox = NatsSubject.Parse(NatsPermissions.InboxPrefixOf(caller.Id) + ".>");
        if (action == NatsAction.Subscribe && inbox.Covers(subject) && NatsPermissions.Of(evaluator, determination: null) is NatsPermissions.Allowed) return null;
        if (FirstAbout(evaluator, permits: true, capability => Permits(capability, action, subject)) is not null)
            return WhyNoLogin(policy, caller, asked, now) ?? (action == NatsAction.Subscribe ? WhyInexpressible(evaluator, subject, asked) : null);

        // What JetStream is asked is granted by what it is for.
        var meant = action == NatsAction.Publish ? NatsJetStream.MeaningOf(subject) : null;
        if (meant is null && decided.Refusals is [_]) return decided;
        var miss = NearestMissFinder.ForNats(evaluator, subject, action != NatsAction.Subscribe);
        var grant = meant?.WhyNotGrantable() is null ? SmallestGrant.Of(policy, caller, [(meant ?? request.ToCapability()).ToYaml()]) : null;
        return Explain(caller, Explainer.NotGranted(meant is null ? asked : $"{asked} ({meant})") with { NearestMiss = miss }, grant);
    }

    // Whoever has more than fits cannot log in, and so do nothing.
    private static Explanation? WhyNoLogin(CapabilityPolicy policy, Principal caller, string asked, DateTimeOffset now) =>
        NatsSubjects.Collect(new Evaluator(policy, caller, now)).IsTooMany ? Explain(caller, NatsPermissions.TooMany(asked)) : null;

    // A queue group is not asked about: a permit of one group does not permit the subject, a forbid of one may take it away.
    private static bool Permits(Capability capability, NatsAction action, NatsSubject subject) => action == NatsAction.Publish
        ? NatsSubjects.PublishedUnder(capability).Any(granted => granted.Covers(subject))
        : capability is Capability.NatsSubscribe { Queue: null } subscribe && subscribe.Subject.Covers(subject);

    private static bool Forbids(Capability capability, NatsAction action, NatsSubject subject) => action == NatsAction.Publish
        ? NatsSubjects.ForbiddenUnder(capability).Any(subject.Overlaps)
        : capability is Capability.NatsSubscribe { Queue: null } subscribe && subscribe.Subject.Overlaps(subject);

    private static Explanation? WhyInexpressible(in Evaluator evaluator, NatsSubject subject, string asked)
    {
        // By a narrower rule it may be told all the same.
        if (NatsSubjects.Collect(evaluator).SubscribeSide(inbox: null).Allow.Any(told => NatsSubscription.Read(told) is { Queue: null } one && one.Subject.Covers(subject))) return null;

        var left = NatsSubjects.Collect(evaluator).Inexpressible().FindIndex(one => one.Queue is null && one.Subject.Covers(subject));
        if (left < 0) return null;
        var star = NatsSubjects.Collect(evaluator).Inexpressible()[left].Subject;
        return Explain(evaluator.Principal, new Refusal(asked, RefusalReason.NotGrantable, NatsReach.WhyLeftOut(star)));
    }

    private static PolicyClause? FirstAbout(in Evaluator evaluator, bool permits, Func<Capability, bool> concerns)
    {
        PolicyClause? first = null;
        foreach (var clause in evaluator.NatsClauses)
        {
            if ((clause.Effect == RuleEffect.Permit) == permits && (first is null || clause.Rank < first.Rank) && concerns(clause.Capability)) first = clause;
        }

        return first;
    }

    private static Explanation Explain(Principal caller, Refusal refusal, string? smallestGrant = null) =>
        new(caller.Id.ToString(), [refusal], smallestGrant);
}
