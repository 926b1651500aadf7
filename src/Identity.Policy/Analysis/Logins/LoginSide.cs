using Identity.Policy.Analysis.Sets;
using Identity.Policy.Evaluation;

namespace Identity.Policy.Analysis.Logins;

/// <summary>What one policy makes of the rules about one caller: what nats-server is told, and what single decisions permit.</summary>
internal sealed class LoginSide
{
    private readonly IReadOnlyCollection<PolicyClause> _clauses;

    public LoginSide(IReadOnlyCollection<PolicyClause> clauses)
    {
        _clauses = clauses;
        var subjects = NatsSubjects.Collect(clauses);
        IsTooMany = subjects.IsTooMany;
        var (publish, subscribe) = IsTooMany ? (NatsSide.Nothing, NatsSide.Nothing) : (subjects.PublishSide(), subjects.SubscribeSide(inbox: null));
        IsLetIn = publish != NatsSide.Nothing || subscribe != NatsSide.Nothing;
        Told = [.. Groups(publish, publishes: true), .. Groups(subscribe, publishes: false)];
        Permitted = [.. PermittedBy(clauses)];
    }

    /// <summary>The login is refused whole.</summary>
    public bool IsTooMany { get; }

    /// <summary>It is granted something that can be told.</summary>
    public bool IsLetIn { get; }

    /// <summary>Without the identity's own inbox.</summary>
    public IReadOnlyList<SubjectGroup> Told { get; }

    /// <summary>The subjects of each right that <see cref="NatsRights"/> allows, asked for by itself.</summary>
    public IReadOnlyList<SubjectGroup> Permitted { get; }

    /// <summary>What is forbidden where replies arrive; the group is of no matter there, since a wildcard is subscribed to.</summary>
    public IReadOnlyList<SubjectPattern> ForbiddenInboxes =>
        [.. Forbids().OfType<Capability.NatsSubscribe>().Where(IsOfInbox).Select(forbid => SubjectGroup.Subscribe(forbid.Subject, queue: null))];

    public static bool IsOfInbox(Capability.NatsSubscribe forbid) => forbid.Subject.Overlaps(NatsSubjects.Inboxes);

    private IEnumerable<Capability> Forbids() => _clauses.Where(clause => clause.Effect != RuleEffect.Permit).Select(clause => clause.Capability);

    private static IEnumerable<SubjectGroup> Groups(NatsSide side, bool publishes)
    {
        if (side == NatsSide.Nothing) yield break;
        yield return new SubjectGroup([.. side.Allow.Select(text => SubjectGroup.Parse(text, publishes))], [.. side.Deny.Select(text => SubjectGroup.Parse(text, publishes))]);
    }

    private IEnumerable<SubjectGroup> PermittedBy(IReadOnlyCollection<PolicyClause> clauses)
    {
        List<Capability> permits = [.. clauses.Where(clause => clause.Effect == RuleEffect.Permit && clause.Capability.WhyNotGrantable() is null).Select(clause => clause.Capability)];
        List<Capability> forbids = [.. Forbids()];
        yield return new SubjectGroup(
            [.. permits.OfType<Capability.NatsPublish>().Select(permit => SubjectGroup.Publish(permit.Subject))],
            [.. forbids.OfType<Capability.NatsPublish>().Select(forbid => SubjectGroup.Publish(forbid.Subject))]);
        yield return new SubjectGroup(
            [.. permits.OfType<Capability.NatsSubscribe>().Select(permit => SubjectGroup.Subscribe(permit.Subject, permit.Queue))],
            [.. forbids.OfType<Capability.NatsSubscribe>().Select(forbid => SubjectGroup.Subscribe(forbid.Subject, forbid.Queue))]);
        var whole = new List<SubjectPattern>();
        foreach (var permit in permits)
        {
            foreach (var (right, request) in JetStreamRights.Of(permit))
            {
                if (!forbids.Exists(forbid => forbid.Touches(request) || NatsJetStream.TakesAway(forbid, request))) whole.AddRange(NatsSubjects.PublishedUnder(right).Select(SubjectGroup.Publish));
                else if (right is Capability.Bucket bucket)
                    foreach (var group in JetStreamRights.KeyByKey(bucket, forbids)) yield return group;
            }
        }

        yield return new SubjectGroup([.. whole.Distinct()], []);
    }
}

/// <summary>Rights of JetStream one by one, as they may be asked for.</summary>
internal static class JetStreamRights
{
    public static IEnumerable<(Capability Right, CapabilityRequest Request)> Of(Capability permit) => permit switch
    {
        Capability.Stream stream => Each(stream.Access).Select(access => ((Capability)(stream with { Access = access }), (CapabilityRequest)new CapabilityRequest.Stream(stream.Name, access))),
        Capability.Consumer consumer => Each(consumer.Access).Select(access =>
            ((Capability)(consumer with { Access = access }), (CapabilityRequest)new CapabilityRequest.Consumer(consumer.StreamName, consumer.Name, access))),
        Capability.Bucket bucket => Each(bucket.Access).Select(access => ((Capability)(bucket with { Access = access }), (CapabilityRequest)new CapabilityRequest.Bucket(bucket.Name, bucket.Keys, access))),
        _ => [],
    };

    /// <summary>What is left of a right on keys of which some are forbidden, asked for key by key: no more than the subjects that name one.</summary>
    public static IEnumerable<SubjectGroup> KeyByKey(Capability.Bucket right, List<Capability> forbids)
    {
        // A key that nobody names: where that is forbidden, it is by a rule about more than keys, or about all of them.
        if (right.Access is not (BucketAccess.Read or BucketAccess.Write or BucketAccess.Watch)) yield break;
        if (forbids.OfType<Capability.Stream>().Any(forbid => NatsJetStream.TakesAway(forbid, new CapabilityRequest.Bucket(right.Name, right.Keys, right.Access)))) yield break;
        // Who watches keys is told their values.
        var access = right.Access == BucketAccess.Watch ? BucketAccess.Read | BucketAccess.Watch : right.Access;
        List<NatsSubject> keys = [.. forbids.OfType<Capability.Bucket>().Where(forbid => forbid.Name == right.Name && (forbid.Access & access) != 0).Select(forbid => forbid.Keys)];
        var name = right.Access switch
        {
            BucketAccess.Read => $"$JS.API.DIRECT.GET.KV_{right.Name}.$KV.{right.Name}.",
            BucketAccess.Write => $"$KV.{right.Name}.",
            _ => $"$JS.API.CONSUMER.CREATE.KV_{right.Name}.*.$KV.{right.Name}.",
        };
        var (named, forbidden) = (SubjectOf(right.Keys), keys.ConvertAll(SubjectOf));
        if (!SubjectGroup.Beside(named, forbidden, []).Any()) yield break;
        yield return new SubjectGroup([named], forbidden);
        // Flow control goes with every key that may be watched.
        if (right.Access == BucketAccess.Watch)
            yield return new SubjectGroup([.. NatsJetStream.OfBucket(right.Name, right.Keys, right.Access).Where(subject => subject.StartsWith("$JS.FC.", StringComparison.Ordinal)).Select(subject => SubjectGroup.Publish(NatsSubject.Raw(subject)))], []);

        SubjectPattern SubjectOf(NatsSubject key) => SubjectGroup.Publish(NatsSubject.Raw(name + key.Text));
    }

    private static IEnumerable<T> Each<T>(T access) where T : struct, Enum =>
        Enum.GetValues<T>().Where(one => Convert.ToInt32(one, System.Globalization.CultureInfo.InvariantCulture) != 0 && access.HasFlag(one));
}
