using System.Collections.Immutable;
using Identity.Policy.Analysis.Sets;

namespace Identity.Policy.Analysis.Logins;

/// <summary>What a login gains and loses that no single right explains: for callers whom the same rules mean.</summary>
internal sealed class LoginDelta
{
    private readonly ImmutableArray<LoginPart> _gained = [];
    private readonly ImmutableArray<LoginPart> _lost = [];
    private readonly ImmutableArray<LoginPart> _gainedOnOlder = [];
    private readonly ImmutableArray<LoginPart> _lostOnOlder = [];

    private LoginDelta() { }

    private LoginDelta(LoginSide before, LoginSide after, LoginTold was, LoginTold will, WorkBudget work)
    {
        (_gained, _lost) = (Gains(was.All, will.All, [new(before.Permitted, after.Permitted)], work), Gains(will.All, was.All, [new(after.Permitted, before.Permitted)], work));
        if (IsSameOnOlder(was) && IsSameOnOlder(will)) return;
        // What a current one is told as well is told of that.
        _gainedOnOlder = Gains(was.OnOlder, will.OnOlder, [new(was.Subscribed, will.Subscribed), new(before.Permitted, after.Permitted)], work);
        _lostOnOlder = Gains(will.OnOlder, was.OnOlder, [new(will.Subscribed, was.Subscribed), new(after.Permitted, before.Permitted)], work);
    }

    public static LoginDelta None { get; } = new();

    /// <summary>The first policy refuses the login whole, for its many subjects.</summary>
    public bool WasTooMany { get; private init; }

    public bool WillBeTooMany { get; private init; }

    public bool IsNone => _gained.IsEmpty && _lost.IsEmpty && _gainedOnOlder.IsEmpty && _lostOnOlder.IsEmpty;

    /// <summary>The same for all that differ in nothing that is told.</summary>
    public string Key => field ??= $"{WasTooMany} {WillBeTooMany} +{string.Join(';', _gained)} -{string.Join(';', _lost)} older +{string.Join(';', _gainedOnOlder)} -{string.Join(';', _lostOnOlder)}";

    /// <param name="onOlder">What only nats-servers of kind <see cref="NatsServerKind.Older"/> are told more, or less.</param>
    public ImmutableArray<LoginPart> Parts(bool gains, bool onOlder) => onOlder ? (gains ? _gainedOnOlder : _lostOnOlder) : gains ? _gained : _lost;

    /// <summary>Of what is told of rights.</summary>
    public static LoginDelta OfRights(LoginSide before, LoginSide after, WorkBudget work) => Between(before, after, before.Told, after.Told, work);

    /// <summary>Of what comes with being let in.</summary>
    public static LoginDelta OfGiven(LoginSide before, LoginSide after, WorkBudget work) => Between(before, after, before.Given, after.Given, work);

    /// <summary>Of everything.</summary>
    public static LoginDelta OfAll(LoginSide before, LoginSide after, WorkBudget work) => Between(before, after, before.Told.With(before.Given), after.Told.With(after.Given), work);

    private static LoginDelta Between(LoginSide before, LoginSide after, LoginTold was, LoginTold will, WorkBudget work)
    {
        // Two patterns are compared faster than two sets.
        if (!work.Take(1 + (Size(was.All) * (1 + Size(after.Permitted)) + Size(will.All) * (1 + Size(before.Permitted))) / 8)) return None;
        var delta = new LoginDelta(before, after, was, will, work) { WasTooMany = before.IsTooMany, WillBeTooMany = after.IsTooMany };
        // Cut short, it may say too much; that it was is said.
        return delta.IsNone || work.IsExhausted ? None : delta;
    }

    // Told by the second and not by the first, and that for no reason that explains it.
    private static ImmutableArray<LoginPart> Gains(IReadOnlyList<SubjectGroup> was, IReadOnlyList<SubjectGroup> will, Reason[] reasons, WorkBudget work)
    {
        return Without(from told in will from pattern in told.In from part in Of(pattern, told.Out, was, reasons) select part, work);

        IEnumerable<LoginPart> Of(SubjectPattern within, IReadOnlyList<SubjectPattern> without, IReadOnlyList<SubjectGroup> beside, ReadOnlyMemory<Reason> left)
        {
            if (left.IsEmpty) return SubjectGroup.Beside(within, without, beside, work);
            var reason = left.Span[0];
            // Of one reason it was taken before.
            if (reasons.Length > 1 && !work.Take(1 + (Size(reason.Before) + Size(reason.After)) / 16)) return [];
            var held = from known in reason.Before
                       from pattern in known.In
                       let both = pattern.Intersect(within)
                       where both is not null
                       from part in Of(both, [.. without, .. known.Out], beside, left[1..])
                       select part;
            return held.Concat(Of(within, without, [.. beside, .. reason.After], left[1..]));
        }
    }

    // Each once, and none that lies in another.
    private static ImmutableArray<LoginPart> Without(IEnumerable<LoginPart> parts, WorkBudget work)
    {
        var kept = new List<LoginPart>();
        foreach (var part in parts)
        {
            // Whoever asked sees that it was cut short.
            if (!work.Take(1 + (kept.Count * (1L + part.Without.Length)) / 4)) return [];
            if (kept.Exists(other => other.Covers(part))) continue;
            kept.RemoveAll(part.Covers);
            kept.Add(part);
        }

        return [.. kept.OrderBy(part => part.ToString(), StringComparer.Ordinal)];
    }

    private static bool IsSameOnOlder(LoginTold told) =>
        told.Subscribed.Count == told.OnOlder.Count && told.Subscribed.Zip(told.OnOlder).All(pair => pair.First.In.SequenceEqual(pair.Second.In) && pair.First.Out.SequenceEqual(pair.Second.Out));

    private static long Size(IReadOnlyList<SubjectGroup> groups) => groups.Sum(group => (long)group.In.Count);

    /// <summary>What lies in the second and not in the first is explained.</summary>
    private readonly record struct Reason(IReadOnlyList<SubjectGroup> Before, IReadOnlyList<SubjectGroup> After);
}
