using System.Collections.Immutable;
using Identity.Policy.Analysis.Sets;

namespace Identity.Policy.Analysis.Logins;

/// <summary>What a login gains and loses that no single right explains: for callers whom the same rules mean.</summary>
internal sealed class LoginDelta
{
    private LoginDelta(ImmutableArray<LoginPart> gained, ImmutableArray<LoginPart> lost) => (Gained, Lost) = (gained, lost);

    public static LoginDelta None { get; } = new([], []);

    public ImmutableArray<LoginPart> Gained { get; }

    public ImmutableArray<LoginPart> Lost { get; }

    /// <summary>The first policy refuses the login whole, for its many subjects.</summary>
    public bool WasTooMany { get; private init; }

    public bool WillBeTooMany { get; private init; }

    public bool IsNone => Gained.IsEmpty && Lost.IsEmpty;

    /// <summary>The same for all that differ in nothing that is told.</summary>
    public string Key => field ??= $"{WasTooMany} {WillBeTooMany} +{string.Join(';', Gained)} -{string.Join(';', Lost)}";

    public static LoginDelta Between(LoginSide before, LoginSide after, WorkBudget work)
    {
        if (!work.Take(1 + Size(before.Told) * (1 + Size(after.Permitted)) + Size(after.Told) * (1 + Size(before.Permitted)))) return None;
        var delta = new LoginDelta(Gains(before, after), Gains(after, before)) { WasTooMany = before.IsTooMany, WillBeTooMany = after.IsTooMany };
        return delta.IsNone ? None : delta;
    }

    /// <summary>Only of where replies arrive, which no right grants: of callers who are let in before and after.</summary>
    /// <param name="inbox">The last token but one of it.</param>
    public static LoginDelta OfInbox(LoginSide before, LoginSide after, string inbox)
    {
        if (!before.IsLetIn || !after.IsLetIn) return None;
        var own = SubjectGroup.Subscribe(NatsSubject.Raw($"_INBOX.{inbox}.>"), queue: null);
        var (was, will) = (new SubjectGroup([own], before.ForbiddenInboxes), new SubjectGroup([own], after.ForbiddenInboxes));
        var delta = new LoginDelta(Without(SubjectGroup.Beside(own, will.Out, [was])), Without(SubjectGroup.Beside(own, was.Out, [will])));
        return delta.IsNone ? None : delta;
    }

    // Told by the second and not by the first, where either the first permitted it all the same, or the second does not even permit it.
    private static ImmutableArray<LoginPart> Gains(LoginSide before, LoginSide after)
    {
        return Without(from told in after.Told from pattern in told.In from part in Of(told, pattern) select part);

        IEnumerable<LoginPart> Of(SubjectGroup told, SubjectPattern pattern)
        {
            foreach (var permitted in before.Permitted)
            {
                foreach (var known in permitted.In)
                {
                    if (pattern.Intersect(known) is not { } both) continue;
                    foreach (var part in SubjectGroup.Beside(both, [.. told.Out, .. permitted.Out], before.Told)) yield return part;
                }
            }

            foreach (var part in SubjectGroup.Beside(pattern, told.Out, [.. before.Told, .. after.Permitted])) yield return part;
        }
    }

    // Each once, and none that lies in another.
    private static ImmutableArray<LoginPart> Without(IEnumerable<LoginPart> parts)
    {
        var kept = new List<LoginPart>();
        foreach (var part in parts)
        {
            if (kept.Exists(other => other.Covers(part))) continue;
            kept.RemoveAll(part.Covers);
            kept.Add(part);
        }

        return [.. kept.OrderBy(part => part.ToString(), StringComparer.Ordinal)];
    }

    private static long Size(IReadOnlyList<SubjectGroup> groups) => groups.Sum(group => (long)group.In.Count);
}
