using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using Identity.Policy.Evaluation;
using Spiffe.Net;

namespace Identity.Policy;

/// <summary>What an identity may do on NATS. Both sides are always explicit, because nats-server reads an empty side as "everything".</summary>
public abstract record NatsPermissions
{
    private const string Login = "nats login";

    private NatsPermissions() { }

    /// <param name="Subscribe">Includes the identity's own inbox. For nats-servers of kind <see cref="NatsServerKind.Current"/>.</param>
    /// <param name="InboxPrefix">Without the last dot; set it as the client's inbox prefix.</param>
    public sealed record Allowed(
        NatsSide Publish,
        NatsSide Subscribe,
        string InboxPrefix,
        ImmutableArray<RuleReference> DeterminingRules,
        DateTimeOffset? ValidUntil) : NatsPermissions
    {
        /// <summary>How it may answer requests on their reply subjects, beside what it may publish; null when it may not.</summary>
        public NatsResponses? Responses { get; init; }

        /// <summary>In place of <see cref="Subscribe"/> for nats-servers of kind <see cref="NatsServerKind.Older"/>: without the permits that they could not keep from what is denied.</summary>
        public NatsSide SubscribeOnOlder { get; init; } = Subscribe;

        /// <summary>Why nats-servers of kind <see cref="NatsServerKind.Older"/> refuse a subscription that others are told of, as one sentence; null when they do not.</summary>
        public string? WhyNotOnOlder(NatsSubject subject, string? queue)
        {
            var asked = new NatsSubscription(subject, queue);
            if (SubscribeOnOlder.Allow.Any(told => NatsSubscription.Read(told).Covers(asked))) return null;
            return Subscribe.Allow.FirstOrDefault(told => NatsSubscription.Read(told).Covers(asked)) is { } untold
                ? $"{NatsServerKinds.OlderVersions}, refuses it all the same: it could not keep '{untold}' from what is forbidden or lies deeper, and is not told of it; grant the subjects without a wildcard"
                : null;
        }

        public bool Equals(Allowed? other) =>
            other is not null
            && Publish == other.Publish
            && Subscribe == other.Subscribe
            && SubscribeOnOlder == other.SubscribeOnOlder
            && Responses == other.Responses
            && InboxPrefix == other.InboxPrefix
            && DeterminingRules.AsSpan().SequenceEqual(other.DeterminingRules.AsSpan())
            && ValidUntil == other.ValidUntil;

        public override int GetHashCode() => HashCode.Combine(Publish, Subscribe, InboxPrefix, ValidUntil);
    }

    public sealed record Denied(Explanation Explanation) : NatsPermissions;

    /// <summary>For a workload that is a process. Rules that name a digest or a host do not speak of it.</summary>
    public static NatsPermissions For(CapabilityPolicy policy, SpiffeId id, DateTimeOffset now) =>
        For(policy, Principal.Process(id), now);

    /// <summary>For an admitted component, by the digest and host of its admission.</summary>
    public static NatsPermissions For(CapabilityPolicy policy, SpiffeId id, ComponentDigest digest, SpiffeId host, DateTimeOffset now) =>
        For(policy, Principal.Component(id, digest, host), now);

    /// <summary>
    /// Where replies to this identity arrive: <c>_INBOX.</c> and 128 bits of the SHA-256 of its SPIFFE ID, so that nobody else's
    /// permissions can cover it. Clients set it as their inbox prefix.
    /// </summary>
    public static string InboxPrefixOf(SpiffeId id) =>
        "_INBOX." + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(id.ToString())).AsSpan(0, 16));

    /// <param name="determination">Of an admission, to which the rules are added; null when the login itself is asked about.</param>
    internal static NatsPermissions Of(in Evaluator evaluator, Determination? determination)
    {
        var subjects = NatsSubjects.Collect(evaluator);
        // Also where nothing comes of it: a ceiling must not rise because a subject is forbidden, or because there are too many.
        foreach (var rule in subjects.Rules) determination?.Add(rule);
        if (subjects.IsTooMany) return Deny(evaluator, TooMany(Login));
        var publish = subjects.PublishSide();
        var granted = publish != NatsSide.Nothing || subjects.SubscribeSide(inbox: null) != NatsSide.Nothing;
        if (!granted)
        {
            // An admission that needs no NATS is not kept waiting for the reason.
            var refusal = new Refusal(Login, RefusalReason.NotGranted, "no rule grants it a subject to publish or to subscribe to");
            return determination is null ? Explain(evaluator, refusal) : Deny(evaluator, refusal);
        }

        var own = new Determination();
        foreach (var rule in subjects.Rules) own.Add(rule);
        var prefix = InboxPrefixOf(evaluator.Principal.Id);
        var inbox = NatsSubject.Parse(prefix + ".>");
        return new Allowed(publish, subjects.SubscribeSide(inbox), prefix, own.References(), own.ValidUntil())
        {
            Responses = subjects.Responses,
            SubscribeOnOlder = subjects.SubscribeSide(inbox, NatsServerKind.Older),
        };
    }

    public static NatsPermissions For(CapabilityPolicy policy, Principal caller, DateTimeOffset now) => policy.Unreadable is { } why
        ? new Denied(new Explanation(caller.Id.ToString(), [new Refusal(Login, RefusalReason.PolicyUnreadable, why)], SmallestGrant: null))
        : Of(new Evaluator(policy, caller, now), determination: null);

    /// <summary>
    /// Whether anybody may be told otherwise by the one policy than by the other. What nats-server is told follows from all rules about somebody together, so a rule
    /// that only permits can take something too, and one about signers wherever it stands.
    /// </summary>
    public static bool MayDiffer(CapabilityPolicy before, CapabilityPolicy after)
    {
        return before.Unreadable is not null || after.Unreadable is not null || !before.SignerKeys.AsSpan().SequenceEqual(after.SignerKeys.AsSpan())
            || !Said(before).SetEquals(Said(after));

        static HashSet<(RuleEffect, RuleMode, PolicySubject, Capability, DateTimeOffset?)> Said(CapabilityPolicy policy) =>
            [.. policy.Clauses.Where(clause => NatsSubjects.IsAbout(clause.Capability)).Select(clause => (clause.Effect, clause.Mode, clause.Subject, clause.Capability, clause.Expires))];
    }

    /// <summary>The rules about one caller name more subjects than nats-server is told at once: it may log in to nothing.</summary>
    internal static Refusal TooMany(string asked) => new(
        asked, RefusalReason.NotGranted,
        $"its rules name more than {NatsSubjects.MaxSubjects} subjects, which do not fit into one login; grant fewer, by wildcards, or forbid fewer of what is granted");

    /// <summary>A subject that is nobody else's: the least that a rule can grant and that lets somebody log in.</summary>
    public static NatsSubject OwnSubjectOf(SpiffeId id) => NatsSubject.Parse("login." + InboxPrefixOf(id)["_INBOX.".Length..]);

    private static Denied Deny(in Evaluator evaluator, params ImmutableArray<Refusal> refusals) =>
        new(new Explanation(evaluator.Principal.Id.ToString(), refusals, SmallestGrant: null));

    // A login does not say what it is for. Whoever may subscribe to its own subject, or publish on it where that is forbidden, is let in.
    private static Denied Explain(in Evaluator evaluator, Refusal refusal)
    {
        var (policy, caller, own) = (evaluator.Policy, evaluator.Principal, OwnSubjectOf(evaluator.Principal.Id));
        refusal = refusal with { NearestMiss = NearestMissFinder.ForLogin(evaluator, out var untold), Untold = untold };
        var subscribing = PolicyDecision.Explain(policy, caller, new CapabilityRequest.NatsSubscribe(own), evaluator.Now);
        var publishing = PolicyDecision.Explain(policy, caller, new CapabilityRequest.NatsPublish(own), evaluator.Now);
        return (subscribing.SmallestGrant ?? publishing.SmallestGrant) is { } grant
            ? new Denied(new Explanation(caller.Id.ToString(), [refusal], grant))
            : Deny(evaluator, [refusal, .. subscribing.Refusals, .. publishing.Refusals]);
    }
}

/// <summary>Answers to requests, published where the request says (nats-server, <c>allow_responses</c>). nats-server asks no deny about them.</summary>
/// <param name="MaxMessages">To one request; at least 1.</param>
/// <param name="Within">After the request.</param>
public sealed record NatsResponses(int MaxMessages, TimeSpan Within)
{
    internal NatsResponses SmallestWith(NatsResponses? other) => other is null
        ? this
        : new NatsResponses(Math.Min(MaxMessages, other.MaxMessages), Within < other.Within ? Within : other.Within);
}

/// <summary>One side, publish or subscribe, as nats-server takes it: deny beats allow. Never both empty; nothing allowed is written as deny <c>&gt;</c>.</summary>
public sealed record NatsSide
{
    private NatsSide(ImmutableArray<string> allow, ImmutableArray<string> deny) => (Allow, Deny) = (allow, deny);

    public static NatsSide Nothing { get; } = new([], [">"]);

    public ImmutableArray<string> Allow { get; }

    public ImmutableArray<string> Deny { get; }

    internal static NatsSide Of(ImmutableArray<string> allow, ImmutableArray<string> deny) => allow.IsEmpty ? Nothing : new NatsSide(allow, deny);

    public bool Equals(NatsSide? other) =>
        other is not null && Allow.AsSpan().SequenceEqual(other.Allow.AsSpan()) && Deny.AsSpan().SequenceEqual(other.Deny.AsSpan());

    public override int GetHashCode() => HashCode.Combine(Allow.Length, Deny.Length);
}
