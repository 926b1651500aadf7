using System.Collections.Immutable;
using System.Numerics;

namespace Identity.Policy.Evaluation;

/// <summary>Compares what one caller may do on NATS with what would be, were its rules in mode shadow, or its forbids in mode warn, enforced.</summary>
internal sealed class NatsNoteFinder
{
    private static readonly NatsSubject Anything = NatsSubject.Raw(">");

    // A login waits for it: some ten milliseconds at most.
    private const int MaxSteps = 500_000;

    private readonly List<PolicyClause> _clauses;
    private readonly List<Right> _forbidden;
    private readonly List<Right> _had;
    private int _stepsLeft = MaxSteps;

    private NatsNoteFinder(List<PolicyClause> clauses, Principal caller)
    {
        _clauses = clauses;
        _forbidden = [.. Of(RuleEffect.Forbid, RuleMode.Enforce).SelectMany(Right.Forbidden).DistinctBy(right => (right.Side, right.Subject, right.Queue))];
        _had = [.. Of(RuleEffect.Permit, RuleMode.Enforce).Concat(Of(RuleEffect.Permit, RuleMode.Warn)).SelectMany(Right.Granted)
            .Where(right => !IsForbidden(right)).DistinctBy(right => (right.Side, right.Subject, right.Queue, right.Meant, right.Clause.Mode))];
        // Without a subject there is no login. With one comes the inbox, and a forbid can take it away.
        if (!_had.Exists(right => right.Side != Side.Respond)) _had.Clear();
        else if (Right.ToInbox(caller) is var inbox && !IsForbidden(inbox)) _had.Add(inbox);
    }

    private enum Side
    {
        Publish,
        Subscribe,
        Respond,
    }

    public static NatsNotes Find(CapabilityPolicy policy, Principal caller, DateTimeOffset now)
    {
        var clauses = policy.ClauseIndex.NatsClausesAbout(caller);
        // Every login comes by here; nearly none has a rule of these modes.
        if (clauses.TrueForAll(clause => clause.Mode == RuleMode.Enforce)) return NatsNotes.None;
        clauses.RemoveAll(clause => clause.IsExpired(now) || !clause.Subject.MayMean(caller, out var untold) || (untold != 0 && clause.Effect == RuleEffect.Permit));
        clauses.Sort((left, right) => left.Rank != right.Rank ? left.Rank.CompareTo(right.Rank) : string.CompareOrdinal(left.Capability.ToString(), right.Capability.ToString()));
        var inForce = clauses.FindAll(clause => clause.Mode != RuleMode.Shadow && (clause.Effect == RuleEffect.Permit || clause.Mode != RuleMode.Warn));
        var today = NatsSubjects.Collect(inForce);
        if (today.IsTooMany) return NatsNotes.None;
        var then = NatsSubjects.Collect([.. inForce, .. clauses.Where(clause => clause.Mode == RuleMode.Shadow)]);
        // So many that nats-server could not be told them is a refused login. Forbids in mode warn can be as many.
        if (then.IsTooMany) return TooMany(clauses, RuleMode.Shadow);
        if (NatsSubjects.Collect([.. inForce, .. clauses.Where(clause => clause.Mode == RuleMode.Warn && clause.Effect == RuleEffect.Forbid)]).IsTooMany) return TooMany(clauses, RuleMode.Warn);
        var finder = new NatsNoteFinder(clauses, caller);
        var notes = finder.Find(today, then);
        return finder._stepsLeft >= 0 ? notes : TooMany(clauses, clauses.Exists(clause => clause.Mode == RuleMode.Shadow) ? RuleMode.Shadow : RuleMode.Warn);
    }

    // One note in place of all that there would be: that its rule has too much to say of this caller.
    private static NatsNotes TooMany(List<PolicyClause> clauses, RuleMode mode)
    {
        var rule = clauses.Find(clause => clause.Mode == mode)!.Rule;
        return mode == RuleMode.Shadow ? new NatsNotes([new ShadowOutcome("nats login", rule, WouldAllow: false)], []) : new NatsNotes([], [new RuleWarning("nats login", rule)]);
    }

    private NatsNotes Find(NatsSubjects today, NatsSubjects then)
    {
        var shadow = Lost(RuleMode.Shadow).Concat(TakenByPermits(today, then)).Select(note => Turned(note, wouldAllow: false)).Concat(Gained().Select(note => Turned(note, wouldAllow: true)));
        var warnings = Lost(RuleMode.Warn).Select(note => Warned(note, isPermit: false)).Concat(GivenByWarn().Select(note => Warned(note, isPermit: true)));
        return new NatsNotes(Fairly(shadow, outcome => outcome.Rule), Fairly(warnings, warning => warning.Rule));
    }

    private static ShadowOutcome Turned((RuleReference Rule, Right Right) note, bool wouldAllow) => new(note.Right.Name, note.Rule, wouldAllow);

    private static RuleWarning Warned((RuleReference Rule, Right Right) note, bool isPermit) => new(note.Right.Name, note.Rule) { IsPermit = isPermit };

    // However much one rule has to say, the others are heard.
    private static ImmutableArray<T> Fairly<T>(IEnumerable<T> notes, Func<T, RuleReference> rule) =>
        [.. notes.Distinct().GroupBy(rule).SelectMany(ofOne => ofOne.Select((note, number) => (Note: note, Number: number))).OrderBy(one => one.Number).Take(NatsNotes.Most).Select(one => one.Note)];

    private IEnumerable<PolicyClause> Of(RuleEffect effect, RuleMode mode) => _clauses.Where(clause => clause.Effect == effect && clause.Mode == mode);

    private bool IsForbidden(Right right)
    {
        _stepsLeft -= _forbidden.Count;
        return _forbidden.Exists(forbid => forbid.Covers(right));
    }

    // What of the rights that are had the forbids of this mode would take away.
    private IEnumerable<(RuleReference, Right)> Lost(RuleMode mode)
    {
        foreach (var forbid in Of(RuleEffect.Forbid, mode).SelectMany(Right.Forbidden))
        {
            foreach (var had in _had)
            {
                if (--_stepsLeft < 0) yield break;
                if (had.And(forbid) is { } lost && !IsForbidden(lost)) yield return (forbid.Clause.Rule, lost);
            }
        }
    }

    private IEnumerable<(RuleReference, Right)> Gained()
    {
        var forbidden = Of(RuleEffect.Forbid, RuleMode.Shadow).SelectMany(Right.Forbidden).ToList();
        return Of(RuleEffect.Permit, RuleMode.Shadow).SelectMany(Right.Granted).TakeWhile(_ => (_stepsLeft -= forbidden.Count + _had.Count) >= 0)
            .Where(right => !IsForbidden(right) && !forbidden.Exists(forbid => forbid.Covers(right)) && !_had.Exists(had => had.Covers(right)))
            .Select(right => (right.Clause.Rule, right));
    }

    // Two ways in which one more permit leaves less: orders.* cannot be told to nats-server beside a subject below it, and of answers the smallest holds.
    private IEnumerable<(RuleReference, Right)> TakenByPermits(NatsSubjects today, NatsSubjects then)
    {
        var permits = Of(RuleEffect.Permit, RuleMode.Shadow).SelectMany(Right.Granted).ToList();
        foreach (var star in then.Inexpressible().Except(today.Inexpressible()))
        {
            var below = NatsSubject.Raw(star.Subject.Text + ".>");
            if (permits.Find(right => right.Side == Side.Subscribe && below.Overlaps(right.Subject)) is { } beside
                && _had.Find(right => right.Side == Side.Subscribe && (right.Subject, right.Queue) == (star.Subject, star.Queue)) is { } lost) yield return (beside.Clause.Rule, lost);
        }

        if (today.Responses is { } before && then.Responses is { } after && after != before && _had.Find(right => right.Side == Side.Respond) is { } answers
            && permits.Find(right => right.Meant is Capability.NatsRespond less && (less.MaxMessages < before.MaxMessages || less.Within < before.Within)) is { } smaller)
            yield return (smaller.Clause.Rule, answers);
    }

    private IEnumerable<(RuleReference, Right)> GivenByWarn() =>
        from right in _had
        where right.Clause.Mode == RuleMode.Warn && !_had.Exists(other => other.Clause.Mode == RuleMode.Enforce && other.Covers(right))
        select (right.Clause.Rule, right);

    /// <summary>One subject that a clause gives or takes on one side.</summary>
    /// <param name="Meant">Of the clause, the one access that it is for.</param>
    private sealed record Right(Side Side, NatsSubject Subject, string? Queue, Capability Meant, PolicyClause Clause)
    {
        /// <summary>As in a document; of streams, consumers and buckets what the subject is for.</summary>
        public string Name => Meant switch
        {
            Capability.NatsPublish => new Capability.NatsPublish(Subject).ToString(),
            Capability.NatsSubscribe => new Capability.NatsSubscribe(Subject, Queue).ToString(),
            _ => Meant.ToString(),
        };

        public static IEnumerable<Right> Granted(PolicyClause clause) =>
            clause.Capability.WhyNotGrantable() is null ? OneByOne(clause.Capability).SelectMany(one => Of(clause, one, NatsSubjects.PublishedUnder(one))) : [];

        public static IEnumerable<Right> Forbidden(PolicyClause clause) => Of(clause, clause.Capability, NatsSubjects.ForbiddenUnder(clause.Capability));

        public static Right ToInbox(Principal caller)
        {
            var subscribe = new Capability.NatsSubscribe(NatsSubject.Parse(NatsPermissions.InboxPrefixOf(caller.Id) + ".>"));
            return new Right(Side.Subscribe, subscribe.Subject, null, subscribe, new PolicyClause(default, RuleEffect.Permit, RuleMode.Enforce, null, new PolicySubject(), subscribe));
        }

        public bool Covers(Right other) => Side == other.Side && (Queue is null || Queue == other.Queue) && Subject.Covers(other.Subject);

        /// <summary>What of this right the other is about; null when nothing.</summary>
        public Right? And(Right other) =>
            Side == other.Side && (Queue is null || other.Queue is null || Queue == other.Queue) && Subject.And(other.Subject) is { } both
                ? this with { Subject = both, Queue = Queue ?? other.Queue } : null;

        private static IEnumerable<Right> Of(PolicyClause clause, Capability meant, IEnumerable<NatsSubject> published) => meant switch
        {
            Capability.NatsSubscribe subscribe => [new Right(Side.Subscribe, subscribe.Subject, subscribe.Queue, meant, clause)],
            Capability.NatsRespond => [new Right(Side.Respond, Anything, null, meant, clause)],
            _ => published.Select(subject => new Right(Side.Publish, subject, null, meant, clause)),
        };

        private static IEnumerable<Capability> OneByOne(Capability capability) => capability switch
        {
            Capability.Stream stream => Bits((int)stream.Access).Select(bit => stream with { Access = (StreamAccess)bit }),
            Capability.Consumer consumer => Bits((int)consumer.Access).Select(bit => consumer with { Access = (ConsumerAccess)bit }),
            Capability.Bucket bucket => Bits((int)bucket.Access).Select(bit => bucket with { Access = (BucketAccess)bit }),
            _ => [capability],
        };

        private static IEnumerable<int> Bits(int flags)
        {
            for (var rest = (uint)flags; rest != 0; rest &= rest - 1) yield return 1 << BitOperations.TrailingZeroCount(rest);
        }
    }
}
