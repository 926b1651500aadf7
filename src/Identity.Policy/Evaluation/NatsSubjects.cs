using System.Collections.Immutable;
using System.Runtime.InteropServices;

namespace Identity.Policy.Evaluation;

/// <summary>What the rules about one caller permit and forbid on NATS, in subjects as nats-server has them.</summary>
internal sealed class NatsSubjects
{
    // Keeps the answer to nats-server, which holds every subject, in the order of tens of kilobytes.
    public const int MaxSubjects = 512;

    // Forbids that concern one caller; each is held against what is permitted, at every login.
    public const int MaxForbids = 16_384;

    // Where everybody's replies arrive; each has a part of it without a rule.
    public static readonly NatsSubject Inboxes = NatsSubject.Raw("_INBOX.>");

    private readonly List<NatsSubject> _publish = [];
    private int _examined;
    private readonly HashSet<string> _streams = new(StringComparer.Ordinal);
    private readonly List<NatsSubject> _publishForbidden = [];
    private readonly List<NatsSubscription> _subscribe = [];
    private readonly List<NatsSubscription> _subscribeForbidden = [];
    private NatsResponses? _responses;
    private bool _responsesForbidden;

    private NatsSubjects() { }

    /// <summary>The permits that grant something.</summary>
    public List<PolicyClause> Rules { get; } = [];

    /// <summary>Then the subjects are incomplete, and no answer may be made of them.</summary>
    public bool IsTooMany => _examined > MaxForbids || _publish.Count + _publishForbidden.Count + _subscribe.Count + _subscribeForbidden.Count > MaxSubjects;

    /// <summary>The smallest of what was permitted; null when nothing was, or a rule forbids it.</summary>
    public NatsResponses? Responses => _responsesForbidden ? null : _responses;

    /// <summary>True for the capabilities that nats-server enforces.</summary>
    public static bool IsAbout(Capability capability) => capability is Capability.NatsPublish or Capability.NatsSubscribe or Capability.NatsRespond
        or Capability.Stream or Capability.Consumer or Capability.Bucket;

    public static NatsSubjects Collect(in Evaluator evaluator) => Collect(evaluator.NatsClauses);

    /// <param name="clauses">Each taken as if it were enforced.</param>
    public static NatsSubjects Collect(IReadOnlyCollection<PolicyClause> clauses)
    {
        var subjects = new NatsSubjects();
        foreach (var clause in clauses)
        {
            if (clause.Effect == RuleEffect.Permit && subjects.Permit(clause.Capability)) subjects.Rules.Add(clause);
        }

        // After all permits: a forbid of something that is not allowed anyway is nothing that nats-server must be told, however many there are.
        foreach (var clause in clauses)
        {
            if (clause.Effect != RuleEffect.Permit) subjects.Forbid(clause.Capability);
        }

        return subjects;
    }

    /// <summary>What a permit lets a client publish on.</summary>
    public static IEnumerable<NatsSubject> PublishedUnder(Capability capability) => capability switch
    {
        // The parser refuses what may not be granted; a rule built in code is not trusted to.
        _ when capability.WhyNotGrantable() is not null => [],
        Capability.NatsPublish publish => [publish.Subject],
        Capability.Stream stream => Raw(NatsJetStream.OfStream(stream.Name, stream.Access)),
        Capability.Consumer consumer => Raw(NatsJetStream.OfConsumer(consumer.StreamName, consumer.Name, consumer.Access)),
        Capability.Bucket bucket => Raw(NatsJetStream.OfBucket(bucket.Name, bucket.Keys, bucket.Access)),
        _ => [],
    };

    /// <summary>What a forbid keeps a client from publishing on.</summary>
    public static IEnumerable<NatsSubject> ForbiddenUnder(Capability capability) => capability switch
    {
        Capability.NatsPublish publish => [publish.Subject],
        Capability.Stream stream => Raw(NatsJetStream.ForbiddingStream(stream.Name, stream.Access)),
        Capability.Consumer consumer => Raw(NatsJetStream.ForbiddingConsumer(consumer.StreamName, consumer.Name, consumer.Access)),
        Capability.Bucket bucket => Raw(NatsJetStream.ForbiddingBucket(bucket.Name, bucket.Keys, bucket.Access)),
        _ => [],
    };

    public NatsSide PublishSide()
    {
        if (_publish.Count == 0) return NatsSide.Nothing;
        var allow = _publish.FindAll(subject =>
            !_publishForbidden.Exists(forbid => forbid.Covers(subject)) && !_publish.Exists(wider => wider != subject && wider.Covers(subject)));
        // Covered by others, it is not allowed anyway.
        var deny = _publishForbidden.FindAll(forbid => allow.Exists(forbid.Overlaps));
        return NatsSide.Of(Sorted(allow), Sorted(deny));
    }

    /// <param name="inbox">Added to what is granted; a forbid can take it away.</param>
    public NatsSide SubscribeSide(NatsSubject? inbox, NatsServerKind server = NatsServerKind.Current)
    {
        // Most components only publish: then there is nothing to weigh.
        if (_subscribe.Count == 0 && _subscribeForbidden.Count == 0) return NatsSide.Of(inbox is null ? [] : [inbox.Text], []);
        var (allow, deny) = SubscriptionSides.Of(inbox is null ? _subscribe : [.. _subscribe, new NatsSubscription(inbox, null)], _subscribeForbidden, server, inexpressible: null);
        return NatsSide.Of(Sorted(allow), Sorted(deny));
    }

    /// <summary>The permitted subscriptions that nats-server cannot be told of beside the others.</summary>
    public List<NatsSubscription> Inexpressible(NatsServerKind server = NatsServerKind.Current)
    {
        var found = new List<NatsSubscription>();
        SubscriptionSides.Of(_subscribe, _subscribeForbidden, server, found);
        return found;
    }

    private bool Permit(Capability capability)
    {
        var any = false;
        if (NatsJetStream.StreamBehind(capability) is { } stream) _streams.Add(stream);
        foreach (var subject in PublishedUnder(capability))
        {
            any = true;
            if (!IsTooMany && !_publish.Contains(subject)) _publish.Add(subject);
        }

        if (capability is Capability.NatsSubscribe subscribe && subscribe.WhyNotGrantable() is null)
        {
            any = true;
            AddOnce(_subscribe, new NatsSubscription(subscribe.Subject, subscribe.Queue));
        }

        if (capability is Capability.NatsRespond respond && respond.WhyNotGrantable() is null)
        {
            any = true;
            _responses = new NatsResponses(respond.MaxMessages, respond.Within).SmallestWith(_responses);
        }

        return any;
    }

    private void Forbid(Capability capability)
    {
        _responsesForbidden |= capability is Capability.NatsRespond;
        _examined++;
        if (IsTooMany) return;
        if (capability is Capability.NatsSubscribe subscribe
            && (subscribe.Subject.Overlaps(Inboxes) || _subscribe.Exists(permitted => permitted.Subject.Overlaps(subscribe.Subject))))
        {
            AddOnce(_subscribeForbidden, new NatsSubscription(subscribe.Subject, subscribe.Queue));
        }

        // Every subject of JetStream names its stream, and those of one stream mean no other.
        if (NatsJetStream.StreamBehind(capability) is { } stream && !_streams.Contains(stream)) return;
        foreach (var subject in ForbiddenUnder(capability))
        {
            if (!IsTooMany && !_publishForbidden.Contains(subject) && _publish.Exists(subject.Overlaps)) _publishForbidden.Add(subject);
        }
    }

    private void AddOnce(List<NatsSubscription> side, NatsSubscription subscription)
    {
        if (!IsTooMany && !side.Contains(subscription)) side.Add(subscription);
    }

    private static IEnumerable<NatsSubject> Raw(IEnumerable<string> subjects) => subjects.Select(NatsSubject.Raw);

    private static ImmutableArray<string> Sorted<T>(List<T> subjects) where T : notnull
    {
        if (subjects.Count == 0) return [];
        var texts = new string[subjects.Count];
        for (var i = 0; i < texts.Length; i++) texts[i] = subjects[i].ToString()!;
        Array.Sort(texts, StringComparer.Ordinal);
        return ImmutableCollectionsMarshal.AsImmutableArray(texts);
    }
}
