using System.Collections.Immutable;

namespace Identity.Policy.Evaluation;

/// <summary>The NATS subjects that the rules about one caller permit and forbid.</summary>
internal sealed class NatsSubjects
{
    private readonly HashSet<NatsSubject> _publish = [];
    private readonly HashSet<NatsSubject> _publishForbidden = [];
    private readonly HashSet<NatsSubject> _subscribe = [];
    private readonly HashSet<NatsSubject> _subscribeForbidden = [];

    private NatsSubjects() { }

    /// <summary>The permits that grant something.</summary>
    public List<RankedRule> Rules { get; } = [];

    public int Count => _publish.Count + _publishForbidden.Count + _subscribe.Count + _subscribeForbidden.Count;

    public static NatsSubjects Collect(in Evaluator evaluator)
    {
        var subjects = new NatsSubjects();
        foreach (var bucket in evaluator.Buckets)
        {
            foreach (var clause in bucket.NatsForbids)
            {
                if (clause.Means(evaluator.Caller)) subjects.Forbid(clause.Rule);
            }

            foreach (var clause in bucket.NatsPermits)
            {
                if (clause.Rule.IsExpired(evaluator.Now) || !clause.Means(evaluator.Caller)) continue;
                if (subjects.Permit(clause.Rule)) subjects.Rules.Add(clause.Ranked);
            }
        }

        return subjects;
    }

    public NatsSide PublishSide() => SideOf(_publish, _publishForbidden);

    /// <param name="inbox">Added to what is granted; a forbid can take it away.</param>
    public NatsSide SubscribeSide(NatsSubject? inbox) => SideOf(inbox is null ? _subscribe : [.. _subscribe, inbox], _subscribeForbidden);

    private bool Permit(PolicyRule rule)
    {
        var any = false;
        foreach (var capability in rule.Capabilities)
        {
            var (subject, side) = capability switch
            {
                Capability.NatsPublish publish => (publish.Subject, _publish),
                Capability.NatsSubscribe subscribe => (subscribe.Subject, _subscribe),
                _ => (null, _publish),
            };
            // The parser refuses subjects that may not be granted; a rule built in code is not trusted to.
            if (subject is null || subject.WhyNotGrantable() is not null) continue;
            side.Add(subject);
            any = true;
        }

        return any;
    }

    private void Forbid(PolicyRule rule)
    {
        foreach (var capability in rule.Capabilities)
        {
            if (capability is Capability.NatsPublish publish) _publishForbidden.Add(publish.Subject);
            if (capability is Capability.NatsSubscribe subscribe) _subscribeForbidden.Add(subscribe.Subject);
        }
    }

    private static NatsSide SideOf(HashSet<NatsSubject> permitted, HashSet<NatsSubject> forbidden)
    {
        var allow = permitted
            .Where(subject => !forbidden.Any(forbid => forbid.Covers(subject)))
            .Where(subject => !permitted.Any(wider => wider != subject && wider.Covers(subject)))
            .ToArray();
        // A forbid of something that is not allowed anyway would only lengthen the answer.
        var deny = forbidden.Where(forbid => allow.Any(forbid.Overlaps));
        return NatsSide.Of(Sorted(allow), Sorted(deny));
    }

    private static ImmutableArray<string> Sorted(IEnumerable<NatsSubject> subjects) =>
        [.. subjects.Select(subject => subject.Text).Order(StringComparer.Ordinal)];
}
