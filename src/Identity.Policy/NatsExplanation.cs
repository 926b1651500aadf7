using Identity.Policy.Evaluation;
using Spiffe.Net;

namespace Identity.Policy;

public enum NatsAction
{
    Publish = 0,
    Subscribe,
}

/// <summary>Says why nats-server will refuse something to an identity that is logged in.</summary>
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
        var field = action == NatsAction.Subscribe ? "natsSubscribe" : "natsPublish";
        var asked = $"{field} {subject}";
        if (policy.Unreadable is { } why) return Explain(caller, new Refusal(asked, RefusalReason.PolicyUnreadable, why));

        var evaluator = new Evaluator(policy, caller, now);
        var forbids = evaluator.Buckets.SelectMany(bucket => bucket.NatsForbids);
        if (FirstAbout(evaluator, forbids, action, subject.Overlaps) is { } forbid) return Explain(caller, Explainer.Forbidden(asked, forbid.Ranked));

        var inbox = NatsSubject.Parse(NatsPermissions.InboxPrefixOf(caller.Id) + ".>");
        if (action == NatsAction.Subscribe && inbox.Covers(subject) && NatsPermissions.Of(evaluator, determination: null) is NatsPermissions.Allowed) return null;
        if (subject.WhyNotGrantable() is { } problem) return Explain(caller, new Refusal(asked, RefusalReason.NotGrantable, problem));
        var permits = evaluator.Buckets.SelectMany(bucket => bucket.NatsPermits).Where(clause => !clause.Rule.IsExpired(now));
        if (FirstAbout(evaluator, permits, action, granted => granted.Covers(subject)) is not null) return null;

        var miss = NearestMissFinder.ForNats(evaluator, subject, action != NatsAction.Subscribe);
        var grant = SmallestGrant.Of(policy, caller, [$"{field}: '{subject.Text.Replace("'", "''", StringComparison.Ordinal)}'"]);
        return Explain(caller, Explainer.NotGranted(asked) with { NearestMiss = miss }, grant);
    }

    private static Clause? FirstAbout(in Evaluator evaluator, IEnumerable<Clause> clauses, NatsAction action, Func<NatsSubject, bool> concerns)
    {
        Clause? first = null;
        foreach (var clause in clauses)
        {
            var speaks = clause.Rule.Capabilities.Any(capability => capability switch
            {
                Capability.NatsPublish publish => action == NatsAction.Publish && concerns(publish.Subject),
                Capability.NatsSubscribe subscribe => action == NatsAction.Subscribe && (subscribe.Queue is null || clause.Rule.Effect != RuleEffect.Permit) && concerns(subscribe.Subject),
                _ => false,
            });
            if (speaks && clause.Means(evaluator.Principal) && (first is null || clause.Ranked.Rank < first.Ranked.Rank)) first = clause;
        }

        return first;
    }

    private static Explanation Explain(Principal caller, Refusal refusal, string? smallestGrant = null) =>
        new(caller.Id.ToString(), [refusal], smallestGrant);
}
