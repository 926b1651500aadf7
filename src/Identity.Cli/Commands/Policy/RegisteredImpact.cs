using System.Collections;
using System.Collections.Immutable;
using Identity.Policy;
using Identity.Policy.Analysis;

namespace Identity.Cli.Commands.Policy;

/// <summary>
/// Whom of the registered identities a difference concerns. An entry tells an identity, and of a component its host and perhaps its digest: a permit that asks
/// for more may mean it or not, and then it is counted apart.
/// </summary>
internal sealed class RegisteredImpact
{
    private readonly PolicyDiff _diff;
    private readonly int _known;
    private readonly PolicyImpact _allowed;
    private readonly PolicyImpact _ceilings;
    private readonly DependingImpact _depending;
    private readonly ILookup<object, string> _concerned;

    // What depends on the same is the same for many changes.
    private readonly Dictionary<ImmutableArray<DependingPrincipals>, ImmutableArray<string>> _ids = new(SameGroups.Instance);

    public RegisteredImpact(PolicyDiff diff, ImmutableArray<Principal> inventory)
    {
        var index = new InventoryIndex(inventory);
        (_diff, _allowed, _ceilings, _depending) = (diff, diff.On(index), diff.CeilingsOn(index), diff.DependingOn(index));
        _known = inventory.Select(principal => principal.Id).Distinct().Count();
        _concerned = ((ImmutableArray<PrincipalImpact>[])[_allowed.Gained, _allowed.Lost, _ceilings.Gained, _ceilings.Lost])
            .SelectMany(impacts => impacts).ToLookup(impact => (object)impact.Change, impact => impact.Principal.Id.ToString(), ReferenceEqualityComparer.Instance);
    }

    /// <summary>Who may do that more, or less, whatever else they are.</summary>
    public IReadOnlyList<string> Concerned(AuthorityChange change) => [.. _concerned[change].Distinct()];

    /// <summary>Who may be meant besides, and what that depends on; of what could not be decided everybody it may mean.</summary>
    public (IReadOnlyCollection<string> Ids, PrincipalAttributes On) Depending(AuthorityChange change)
    {
        var groups = _depending.Of(change);
        if (groups.IsEmpty) return ([], PrincipalAttributes.None);
        if (!_ids.TryGetValue(groups, out var ids))
            _ids.Add(groups, ids = [.. groups.SelectMany(group => group.Principals).Select(principal => principal.Id.ToString()).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)]);
        if (!_concerned.Contains(change)) return (ids, groups.Aggregate(PrincipalAttributes.None, (all, group) => all | group.On));
        var concerned = _concerned[change].ToHashSet(StringComparer.Ordinal);
        return (
            new IdsWithout(ids, concerned),
            groups.Where(group => group.Principals.Any(principal => !concerned.Contains(principal.Id.ToString()))).Aggregate(PrincipalAttributes.None, (all, group) => all | group.On));
    }

    /// <summary>Sentences for a person; none when nobody is registered.</summary>
    public IEnumerable<string> Summary()
    {
        if (_known == 0) yield break;
        var ceilings = _diff.Gained.Concat(_diff.Lost).Any(change => change.Kind == AuthorityChangeKind.Ceiling)
            ? $"; {Ids(_ceilings.Gained).Count} may consume more and {Ids(_ceilings.Lost).Count} less" : "";
        yield return $"Of {Answer.Count(_known, "registered identity", "registered identities")} {Ids(_allowed.Gained).Count} may do more and {Ids(_allowed.Lost).Count} less{ceilings}.";

        var (mayGain, mayLose) = (Without(_diff.Gained, [.. _allowed.Gained, .. _ceilings.Gained]), Without(_diff.Lost, [.. _allowed.Lost, .. _ceilings.Lost]));
        if (mayGain + mayLose > 0)
        {
            var on = _diff.Gained.Concat(_diff.Lost).Aggregate(PrincipalAttributes.None, (all, change) => all | Depending(change).On);
            yield return $"Depending on {Words(on)}, which entries do not tell, {mayGain} more may gain something and {mayLose} lose something.";
        }

        if (!_diff.IsComplete) yield return $"What could not be decided may concern {DependingOn(_diff.Gained.Concat(_diff.Lost).Where(IsUndecided)).Count} of them.";
    }

    /// <summary>For a sentence: "image and lattice".</summary>
    public static string Words(PrincipalAttributes attributes) => string.Join(
        " and ", Enum.GetValues<PrincipalAttributes>().Where(one => one != PrincipalAttributes.None && (attributes & one) == one).Select(one => one.ToString().ToLowerInvariant()));

    private static HashSet<string> Ids(IEnumerable<PrincipalImpact> impacts) => [.. impacts.Select(impact => impact.Principal.Id.ToString())];

    private static bool IsUndecided(AuthorityChange change) => change.Kind == AuthorityChangeKind.Undecided;

    // Whom a change concerns for certain is among those who are counted already.
    private int Without(IEnumerable<AuthorityChange> changes, IEnumerable<PrincipalImpact> counted)
    {
        var more = DependingOn(changes.Where(change => !IsUndecided(change)));
        more.ExceptWith(counted.Select(impact => impact.Principal.Id.ToString()));
        return more.Count;
    }

    private HashSet<string> DependingOn(IEnumerable<AuthorityChange> changes) =>
        [.. changes.SelectMany(change => _depending.Of(change)).Distinct().SelectMany(group => group.Principals).Select(principal => principal.Id.ToString())];

    /// <summary>Equal are those that share their principals.</summary>
    private sealed class SameGroups : IEqualityComparer<ImmutableArray<DependingPrincipals>>
    {
        public static SameGroups Instance { get; } = new();

        public bool Equals(ImmutableArray<DependingPrincipals> left, ImmutableArray<DependingPrincipals> right) => left.AsSpan().SequenceEqual(right.AsSpan());

        public int GetHashCode(ImmutableArray<DependingPrincipals> groups) => HashCode.Combine(groups.Length, groups[0]);
    }

    /// <summary>IDs that others have too, without some: made anew for each change they would be as many as changes times identities.</summary>
    private sealed class IdsWithout(ImmutableArray<string> ids, HashSet<string> without) : IReadOnlyCollection<string>
    {
        public int Count { get; } = ids.Length - without.Count(id => ids.BinarySearch(id, StringComparer.Ordinal) >= 0);

        public IEnumerator<string> GetEnumerator() => ids.Where(id => !without.Contains(id)).GetEnumerator();

        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
    }
}
