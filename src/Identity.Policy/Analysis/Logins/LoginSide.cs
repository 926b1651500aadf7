using Identity.Policy.Analysis.Sets;
using Identity.Policy.Evaluation;

namespace Identity.Policy.Analysis.Logins;

/// <summary>What one policy makes of the rules about one caller: what nats-server is told, and what single decisions permit.</summary>
internal sealed class LoginSide
{
    /// <summary>Stands for an identity's own inbox until it is known whose.</summary>
    public const string Own = "…";

    private static readonly NatsSubject Inbox = NatsSubject.Raw($"_INBOX.{Own}.>");

    private readonly IReadOnlyCollection<PolicyClause> _clauses;

    public LoginSide(IReadOnlyCollection<PolicyClause> clauses)
    {
        _clauses = clauses;
        var subjects = NatsSubjects.Collect(clauses);
        IsTooMany = subjects.IsTooMany;
        Permitted = [.. PermittedBy(clauses), .. AnswersOf(subjects)];
        (Told, Given) = (LoginTold.Nothing, LoginTold.Nothing);
        if (IsTooMany) return;
        var publish = subjects.PublishSide();
        var isLetIn = publish != NatsSide.Nothing || subjects.SubscribeSide(inbox: null) != NatsSide.Nothing;
        if (!isLetIn) return;
        var (subscribe, older) = (Groups(subjects.SubscribeSide(Inbox), publishes: false), Groups(subjects.SubscribeSide(Inbox, NatsServerKind.Older), publishes: false));
        // On either both publish the same.
        Told = new LoginTold([.. Groups(publish, publishes: true), .. Part(subscribe, ofInbox: false)], Part(subscribe, ofInbox: false), Part(older, ofInbox: false));
        Given = new LoginTold([.. Part(subscribe, ofInbox: true), .. AnswersOf(subjects)], Part(subscribe, ofInbox: true), Part(older, ofInbox: true));
    }

    /// <summary>The login is refused whole.</summary>
    public bool IsTooMany { get; }

    /// <summary>What is told of rights: nothing of who is not let in.</summary>
    public LoginTold Told { get; }

    /// <summary>What comes with being let in: the identity's own inbox, and answers where these are permitted.</summary>
    public LoginTold Given { get; }

    /// <summary>The subjects of each right that <see cref="NatsRights"/> allows, asked for by itself.</summary>
    public IReadOnlyList<SubjectGroup> Permitted { get; }

    private IEnumerable<Capability> Forbids() => _clauses.Where(clause => clause.Effect != RuleEffect.Permit).Select(clause => clause.Capability);

    private static SubjectGroup[] Groups(NatsSide side, bool publishes) => side == NatsSide.Nothing ? []
        : [new SubjectGroup([.. side.Allow.Select(text => SubjectGroup.Parse(text, publishes))], [.. side.Deny.Select(text => SubjectGroup.Parse(text, publishes))])];

    private static SubjectGroup[] Part(SubjectGroup[] groups, bool ofInbox) =>
        [.. groups.Select(group => group with { In = [.. group.In.Where(pattern => pattern.TokenAt(3) == Own == ofInbox)] }).Where(group => group.In.Count > 0)];

    private static SubjectGroup[] AnswersOf(NatsSubjects subjects) => subjects.Responses is null ? [] : [new SubjectGroup([SubjectGroup.Answers], [])];

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

/// <summary>What a nats-server is told, by what it does with it.</summary>
/// <param name="All">Of a current one.</param>
/// <param name="Subscribed">Of these the subscriptions.</param>
/// <param name="OnOlder">The subscriptions that an older one is told; the rest is the same.</param>
internal sealed record LoginTold(IReadOnlyList<SubjectGroup> All, IReadOnlyList<SubjectGroup> Subscribed, IReadOnlyList<SubjectGroup> OnOlder)
{
    public static LoginTold Nothing { get; } = new([], [], []);

    public LoginTold With(LoginTold other) => new([.. All, .. other.All], [.. Subscribed, .. other.Subscribed], [.. OnOlder, .. other.OnOlder]);
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
        if (!SubjectGroup.IsLeft(named, forbidden)) yield break;
        yield return new SubjectGroup([named], forbidden);
        // Flow control goes with every key that may be watched.
        if (right.Access == BucketAccess.Watch)
            yield return new SubjectGroup([.. NatsJetStream.OfBucket(right.Name, right.Keys, right.Access).Where(subject => subject.StartsWith("$JS.FC.", StringComparison.Ordinal)).Select(subject => SubjectGroup.Publish(NatsSubject.Raw(subject)))], []);

        SubjectPattern SubjectOf(NatsSubject key) => SubjectGroup.Publish(NatsSubject.Raw(name + key.Text));
    }

    private static IEnumerable<T> Each<T>(T access) where T : struct, Enum =>
        Enum.GetValues<T>().Where(one => Convert.ToInt32(one, System.Globalization.CultureInfo.InvariantCulture) != 0 && access.HasFlag(one));
}
