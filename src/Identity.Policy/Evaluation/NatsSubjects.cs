using System.Collections.Immutable;
using System.Runtime.InteropServices;

namespace Identity.Policy.Evaluation;

/// <summary>The NATS subjects that the rules about one caller permit and forbid.</summary>
internal sealed class NatsSubjects
{
    // Keeps the answer to nats-server, which holds every subject, in the order of tens of kilobytes.
    public const int MaxSubjects = 512;

    private readonly List<NatsSubject> _publish = [];
    private readonly List<NatsSubject> _publishForbidden = [];
    private readonly List<NatsSubject> _subscribe = [];
    private readonly List<NatsSubject> _subscribeForbidden = [];

    private NatsSubjects() { }

    /// <summary>The permits that grant something.</summary>
    public List<RankedRule> Rules { get; } = [];

    /// <summary>Then the subjects are incomplete, and no answer may be made of them.</summary>
    public bool IsTooMany => _publish.Count + _publishForbidden.Count + _subscribe.Count + _subscribeForbidden.Count > MaxSubjects;

    public static NatsSubjects Collect(in Evaluator evaluator)
    {
        var subjects = new NatsSubjects();
        foreach (var bucket in evaluator.Buckets)
        {
            foreach (var clause in bucket.NatsForbids)
            {
                if (clause.Means(evaluator.Principal)) subjects.Forbid(clause.Rule);
            }

            foreach (var clause in bucket.NatsPermits)
            {
                if (clause.Rule.IsExpired(evaluator.Now) || !clause.Means(evaluator.Principal)) continue;
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
                Capability.NatsSubscribe { Queue: null } subscribe => (subscribe.Subject, _subscribe),
                _ => (null, _publish),
            };
            // The parser refuses subjects that may not be granted; a rule built in code is not trusted to.
            if (subject is null || subject.WhyNotGrantable() is not null) continue;
            AddOnce(side, subject);
            any = true;
        }

        return any;
    }

    private void Forbid(PolicyRule rule)
    {
        foreach (var capability in rule.Capabilities)
        {
            if (capability is Capability.NatsPublish publish) AddOnce(_publishForbidden, publish.Subject);
            if (capability is Capability.NatsSubscribe subscribe) AddOnce(_subscribeForbidden, subscribe.Subject);
        }
    }

    private void AddOnce(List<NatsSubject> side, NatsSubject subject)
    {
        if (!IsTooMany && !side.Contains(subject)) side.Add(subject);
    }

    private static NatsSide SideOf(List<NatsSubject> permitted, List<NatsSubject> forbidden)
    {
        if (permitted.Count == 0) return NatsSide.Nothing;
        var allow = permitted.FindAll(subject =>
            !forbidden.Exists(forbid => forbid.Covers(subject)) && !permitted.Exists(wider => wider != subject && wider.Covers(subject)));
        // A forbid of something that is not allowed anyway would only lengthen the answer.
        var deny = forbidden.FindAll(forbid => allow.Exists(forbid.Overlaps));
        return NatsSide.Of(Sorted(allow), Sorted(deny));
    }

    private static ImmutableArray<string> Sorted(List<NatsSubject> subjects)
    {
        if (subjects.Count == 0) return [];
        var texts = new string[subjects.Count];
        for (var i = 0; i < texts.Length; i++) texts[i] = subjects[i].Text;
        Array.Sort(texts, StringComparer.Ordinal);
        return ImmutableCollectionsMarshal.AsImmutableArray(texts);
    }
}
