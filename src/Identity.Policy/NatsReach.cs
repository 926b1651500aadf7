using Identity.Policy.Evaluation;

namespace Identity.Policy;

/// <summary>
/// What of its rights one caller can use on NATS: nats-server knows nothing but the subjects it is told at the login, and not everything that policy can say can be
/// told so. Asked by what it is told, and nothing else.
/// </summary>
public sealed class NatsReach
{
    private readonly Evaluator _evaluator;
    private readonly string? _whyNoLogin;
    private readonly NatsPermissions.Allowed? _told;

    private NatsReach(Evaluator evaluator)
    {
        _evaluator = evaluator;
        var told = NatsPermissions.Of(evaluator, new Determination());
        _told = told as NatsPermissions.Allowed;
        _whyNoLogin = told is NatsPermissions.Denied { Explanation.Refusals: [var refusal, ..] } ? refusal.Detail : null;
    }

    /// <summary>Costs what a login costs, so it is asked for once a caller.</summary>
    public static NatsReach Of(CapabilityPolicy policy, Principal caller, DateTimeOffset now) => new(new Evaluator(policy, caller, now));

    /// <summary>True for what nats-server enforces.</summary>
    public static bool IsAbout(CapabilityRequest request) => request is CapabilityRequest.NatsPublish or CapabilityRequest.NatsSubscribe or CapabilityRequest.NatsRespond
        or CapabilityRequest.Stream or CapabilityRequest.Consumer or CapabilityRequest.Bucket;

    /// <summary>Why nats-server refuses what policy permits, as one sentence; null when it does not, and for what is not of NATS.</summary>
    /// <param name="request">That <see cref="NatsRights.Decide"/> allows; of others more is said there.</param>
    public string? WhyRefused(CapabilityRequest request) => WhyNot(request) is { } why ? $"nats-server refuses it all the same: {why}" : null;

    /// <summary>
    /// That nats-server lets the caller do what no rule permits by itself, as one sentence; null when it does not. Who has a right on a whole stream reaches its consumers, and
    /// the bucket that it is behind, by the subjects he is told.
    /// </summary>
    /// <param name="request">That <see cref="NatsRights.Decide"/> does not allow.</param>
    public string? WhyGiven(CapabilityRequest request) =>
        _told is not null && request is (CapabilityRequest.Stream or CapabilityRequest.Consumer or CapabilityRequest.Bucket)
        && NatsJetStream.NeededFor(request).Select(NatsSubject.Raw).ToArray() is { Length: > 0 } needed && Array.TrueForAll(needed, subject => IsToldToPublish(_told, subject))
            ? $"nats-server allows it all the same: by another right that rules permit it is told '{needed[0]}'{(needed.Length > 1 ? " and whatever else this needs" : ", which is what this needs")}; forbid it where that is not meant"
            : null;

    /// <summary>Why nats-servers of kind <see cref="NatsServerKind.Older"/> refuse what others are told of, as one sentence; null when they do not.</summary>
    public string? WhyRefusedOnOlder(CapabilityRequest request) => request is CapabilityRequest.NatsSubscribe subscribe ? _told?.WhyNotOnOlder(subscribe.Subject, subscribe.Queue) : null;

    private static bool IsToldToPublish(NatsPermissions.Allowed told, NatsSubject subject) =>
        told.Publish.Allow.Any(allowed => NatsSubject.Raw(allowed).Covers(subject)) && !told.Publish.Deny.Any(denied => NatsSubject.Raw(denied).Covers(subject));

    private string? WhyNot(CapabilityRequest request) => !IsAbout(request) ? null
        : _told is null ? _whyNoLogin
        : request switch
        {
            CapabilityRequest.NatsSubscribe subscribe => WhyNotSubscribed(_told, new NatsSubscription(subscribe.Subject, subscribe.Queue)),
            CapabilityRequest.NatsPublish publish => WhyNotPublished(_told, request, [publish.Subject.Text]),
            CapabilityRequest.NatsRespond => _told.Responses is null ? "it is not told that answers are allowed" : null,
            _ => WhyNotPublished(_told, request, NatsJetStream.NeededFor(request)),
        };

    private string? WhyNotPublished(NatsPermissions.Allowed told, CapabilityRequest request, IEnumerable<string> needed)
    {
        foreach (var subject in needed.Select(NatsSubject.Raw))
        {
            if (IsToldToPublish(told, subject)) continue;
            var forbid = FirstForbid(capability => NatsSubjects.ForbiddenUnder(capability).Any(forbidden => forbidden.Covers(subject)));
            return (forbid?.Capability, request) switch
            {
                (null, _) => $"it is not told '{subject}', which this needs",
                (Capability.Bucket bucket, CapabilityRequest.Bucket) =>
                    $"rule {forbid.Rule} forbids '{bucket.Keys}' of this bucket{Untold(forbid)}, and keys that are read or watched cannot be told apart there, so that all of them are denied; keep what is forbidden in a bucket of its own",
                _ => $"rule {forbid.Rule} forbids {forbid.Capability}{Untold(forbid)}, and with it '{subject}', which this needs",
            };
        }

        return null;
    }

    private string? WhyNotSubscribed(NatsPermissions.Allowed told, NatsSubscription asked)
    {
        var isAllowed = told.Subscribe.Allow.Select(Read).Any(allowed => allowed.Covers(asked));
        if (isAllowed && !told.Subscribe.Deny.Select(Read).Any(denied => (denied.Queue is null || denied.Queue == asked.Queue) && denied.Subject.Overlaps(asked.Subject))) return null;
        if (!isAllowed && NatsSubjects.Collect(_evaluator).Inexpressible() is var left && left.FindIndex(star => star.Covers(asked)) is >= 0 and var at) return WhyLeftOut(left[at].Subject);
        var forbid = FirstForbid(capability => capability is Capability.NatsSubscribe subscribe && subscribe.Subject.Overlaps(asked.Subject));
        return forbid is null
            ? $"it is not told '{asked}'"
            : $"rule {forbid.Rule} forbids {forbid.Capability}{Untold(forbid)}, and behind a wildcard that is granted the queue group is not seen there, so that the subject is denied to all; grant the subjects without a wildcard";
    }

    /// <summary>Why a permit is not told to a current nats-server.</summary>
    internal static string WhyLeftOut(NatsSubject left) => left.HasWildcard
        ? $"a rule permits '{left}', but nats-server takes that for '{left.Text[..^1]}>', and what lies deeper cannot be taken back beside the other subjects that are granted there; name the subjects instead of '{left}'"
        : $"a rule permits '{left}', but each queue group that is forbidden there is one more subject for nats-server, and together they would be more than {NatsSubjects.MaxSubjects}, which do not fit into one login; "
            + "forbid fewer queue groups of what is granted, or grant fewer subjects";

    // As they are written in a permission.
    private static NatsSubscription Read(string told) => told.IndexOf(' ', StringComparison.Ordinal) is > 0 and var space
        ? new NatsSubscription(NatsSubject.Raw(told[..space]), told[(space + 1)..])
        : new NatsSubscription(NatsSubject.Raw(told), null);

    private PolicyClause? FirstForbid(Predicate<Capability> takes)
    {
        PolicyClause? first = null;
        foreach (var clause in _evaluator.NatsClauses)
        {
            if (clause.Effect != RuleEffect.Permit && (first is null || clause.Rank < first.Rank) && takes(clause.Capability)) first = clause;
        }

        return first;
    }

    private string Untold(PolicyClause forbid) => forbid.Subject.MayMean(_evaluator.Principal, out var untold) && untold != PrincipalAttributes.None
        ? $" ({DecisionExplainer.DependsOn(untold, _evaluator.Principal)})" : "";
}
