using System.Collections.Immutable;
using Identity.Policy.Evaluation;

namespace Identity.Policy.Tests.Analysis.Boards;

/// <summary>A subject that somebody publishes on, or subscribes to plainly or in a queue group: token by token, as nats-server compares it.</summary>
internal sealed record LoginPoint(bool Publishes, string? Queue, string[] Tokens)
{
    /// <summary>Stands where the caller's own inbox has its hash.</summary>
    public const string Own = "…";

    public bool IsInbox => Tokens is ["_INBOX", ..];

    /// <summary>Publishing where a request says, without a subject.</summary>
    public bool IsAnswer => Tokens.Length == 0;

    public static LoginPoint Answer { get; } = new(true, null, []);

    /// <summary>The same in the words of a difference.</summary>
    public string[] Written => IsAnswer ? ["answer requests"] : Publishes ? ["publish", .. Tokens] : ["subscribe", Queue ?? "no queue", .. Tokens];

    public override string ToString() => $"{(Publishes ? "publish" : "subscribe")} {string.Join('.', Tokens)} {Queue}";
}

/// <summary>What nats-server reads in a permission, in its own words.</summary>
internal static class NatsMeaning
{
    /// <summary>Deny beats allow.</summary>
    public static bool LetsThrough(NatsSide side, string[] tokens, string? queue) =>
        side.Allow.Any(permission => IsMeant(permission, tokens, queue)) && !side.Deny.Any(permission => IsMeant(permission, tokens, queue));

    /// <param name="permission">A subject, and after a space the queue group, if only that.</param>
    public static bool IsMeant(string permission, string[] tokens, string? queue)
    {
        var words = permission.Split(' ');
        if (words.Length > 1 && words[1] != queue) return false;
        var pattern = words[0].Split('.');
        for (var i = 0; i < pattern.Length; i++)
        {
            if (pattern[i] == ">") return tokens.Length > i;
            if (i >= tokens.Length || (pattern[i] != "*" && pattern[i] != tokens[i])) return false;
        }

        return pattern.Length == tokens.Length;
    }
}

/// <summary>
/// Capabilities on NATS that have to do with each other, and the subjects between which they can tell: of each sort there is one. What of them is permitted is what single
/// decisions say (<see cref="NatsRights"/>) of the rights that a subject is part of.
/// </summary>
internal sealed class LoginBoard
{
    public static readonly LoginBoard Subscriptions = new(
        Some("natsSubscribe a.*", "natsSubscribe a.b", "natsSubscribe a.b.c", "natsSubscribe a.>", "natsSubscribe a.*.c", "natsSubscribe a.*.*", "natsSubscribe a.* q1", "natsSubscribe a.b q1",
            "natsSubscribe a.> q2", "natsSubscribe a.*.* q2", "natsSubscribe a.b.c q2", "natsPublish p.x", "natsRespond 1 1s", "natsRespond 3 2s"),
        Some("natsSubscribe >", "natsSubscribe *.b", "natsSubscribe *.* q1", "natsSubscribe _INBOX.>", "natsSubscribe _INBOX.*.x", "natsSubscribe _INBOX.*.*", "natsPublish p.>"));

    public static readonly LoginBoard Buckets = new(
        Some("bucket b/> read", "bucket b/> write", "bucket b/> read,watch", "bucket b/> manage", "bucket b/k.> read", "bucket b/k.x read,write", "bucket b/k.> watch", "bucket b/k write,watch",
            "stream KV_b info", "stream KV_b read", "stream KV_b consume", "stream KV_b read,purge", "stream KV_b manage", "consumer KV_b/c info", "consumer KV_b/c consume", "consumer KV_b/c consume,manage", "stream S read", "natsPublish p.x", "natsRespond 2 1s"),
        Some("natsPublish >", "natsPublish $JS.API.STREAM.>", "natsPublish $KV.b.k.*", "natsPublish *.x"));

    public static readonly ImmutableArray<LoginBoard> All = [Subscriptions, Buckets];

    private readonly ILookup<int, CapabilityRequest> _rights;
    private readonly Dictionary<(string, bool), bool[]> _meant = [];

    private LoginBoard(Capability[] any, Capability[] forbidden)
    {
        (Permits, Forbids) = ([.. any], [.. any, .. forbidden]);
        Points = [.. PointsOf(Forbids)];
        _rights = (from right in RightsOf(Points, any) from point in right.Points select (point, right.Request)).ToLookup(pair => pair.point, pair => pair.Request);
    }

    public ImmutableArray<Capability> Permits { get; }

    public ImmutableArray<Capability> Forbids { get; }

    public ImmutableArray<LoginPoint> Points { get; }

    /// <summary>Which points a login lets through.</summary>
    public bool[] Told(NatsPermissions.Allowed login, NatsServerKind server)
    {
        var told = new bool[Points.Length];
        told[Points.IndexOf(LoginPoint.Answer)] = login.Responses is not null;
        foreach (var (side, publishes) in ((NatsSide, bool)[])[(login.Publish, true), (server == NatsServerKind.Older ? login.SubscribeOnOlder : login.Subscribe, false)])
        {
            foreach (var permission in side.Allow) Set(told, permission, publishes, login.InboxPrefix, to: true);
            foreach (var permission in side.Deny) Set(told, permission, publishes, login.InboxPrefix, to: false);
        }

        return told;
    }

    private void Set(bool[] told, string permission, bool publishes, string inbox, bool to)
    {
        permission = permission.Replace(inbox, "_INBOX." + LoginPoint.Own, StringComparison.Ordinal);
        if (!_meant.TryGetValue((permission, publishes), out var meant))
            _meant.Add((permission, publishes), meant = [.. Points.Select(point => point.Publishes == publishes && !point.IsAnswer && NatsMeaning.IsMeant(permission, point.Tokens, point.Queue))]);
        for (var at = 0; at < told.Length; at++)
        {
            if (meant[at]) told[at] = to;
        }
    }

    /// <summary>Whether some right that a point is part of is allowed; inboxes are no part of one.</summary>
    public bool IsPermitted(int point, CapabilityPolicy policy, Principal caller, DateTimeOffset now) =>
        _rights[point].Any(request => NatsRights.Decide(policy, caller, request, now).Allowed);

    private static Capability[] Some(params string[] texts) => [.. texts.Select(Capability.Parse)];

    private static IEnumerable<LoginPoint> PointsOf(IEnumerable<Capability> capabilities)
    {
        var published = capabilities.SelectMany(capability => NatsSubjects.PublishedUnder(capability).Concat(NatsSubjects.ForbiddenUnder(capability))).Distinct().ToList();
        var subscribed = capabilities.OfType<Capability.NatsSubscribe>().Where(subscribe => !subscribe.Subject.Text.StartsWith("_INBOX", StringComparison.Ordinal)).Select(subscribe => subscribe.Subject).Distinct().ToList();
        foreach (var subject in Instances(published)) yield return new LoginPoint(true, null, subject.Split('.'));
        foreach (var subject in Instances(subscribed))
        {
            foreach (var queue in (string?[])[null, "q1", "q2", "q3"]) yield return new LoginPoint(false, queue, subject.Split('.'));
        }

        yield return LoginPoint.Answer;
        foreach (var subject in (string[])["x", "y", "x.y"]) yield return new LoginPoint(false, null, ["_INBOX", LoginPoint.Own, .. subject.Split('.')]);
    }

    // Names that nobody knows, in all that one pattern means, or two together.
    private static IEnumerable<string> Instances(List<NatsSubject> patterns)
    {
        var both = patterns.SelectMany(one => patterns.Select(one.And).OfType<NatsSubject>()).Distinct().Where(subject => subject.Text[0] is not ('*' or '>'));
        return both.SelectMany(subject => (string[])[Filled(subject.Text, "z"), Filled(subject.Text, "z.z")]).Distinct();
    }

    private static string Filled(string pattern, string tail) => string.Join('.', pattern.Split('.').Select(token => token switch { "*" => "z", ">" => tail, _ => token }));

    private static IEnumerable<(CapabilityRequest Request, int[] Points)> RightsOf(ImmutableArray<LoginPoint> points, IEnumerable<Capability> capabilities)
    {
        foreach (var point in points)
        {
            if (point.IsAnswer) yield return (new CapabilityRequest.NatsRespond(), [points.IndexOf(point)]);
            if (point.IsAnswer || point.IsInbox || point.Tokens[0][0] == '$') continue;
            var subject = NatsSubject.Parse(string.Join('.', point.Tokens));
            CapabilityRequest asked = point.Publishes ? new CapabilityRequest.NatsPublish(subject) : new CapabilityRequest.NatsSubscribe(subject, point.Queue);
            yield return (asked, [points.IndexOf(point)]);
        }

        var rights = capabilities.SelectMany(Rights).Distinct();
        foreach (var right in rights)
        {
            CapabilityRequest asked = right switch
            {
                Capability.Stream stream => new CapabilityRequest.Stream(stream.Name, stream.Access),
                Capability.Consumer consumer => new CapabilityRequest.Consumer(consumer.StreamName, consumer.Name, consumer.Access),
                Capability.Bucket bucket => new CapabilityRequest.Bucket(bucket.Name, bucket.Keys, bucket.Access),
                _ => throw new InvalidOperationException($"{right}"),
            };
            var subjects = NatsSubjects.PublishedUnder(right).ToList();
            yield return (asked, [.. points.Where(point => point is { Publishes: true, IsAnswer: false } && subjects.Exists(subject => subject.Covers(NatsSubject.Raw(string.Join('.', point.Tokens))))).Select(point => points.IndexOf(point))]);
        }
    }

    private static IEnumerable<Capability> Rights(Capability capability) => capability switch
    {
        Capability.Stream stream => Enum.GetValues<StreamAccess>().Where(access => access != 0).Select(access => stream with { Access = access }),
        Capability.Consumer consumer => Enum.GetValues<ConsumerAccess>().Where(access => access != 0).Select(access => consumer with { Access = access }),
        Capability.Bucket bucket => from access in Enum.GetValues<BucketAccess>()
                                    from key in (string[])[">", "k", "z", "z.z", "k.>", "k.x", "k.z", "k.x.z", "k.z.z", "k.x.z.z"]
                                    where access != 0
                                    select bucket with { Keys = NatsSubject.Parse(key), Access = access },
        _ => [],
    };
}
