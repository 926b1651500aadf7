using System.Collections.Immutable;
using System.Globalization;

namespace Identity.Policy.Analysis;

/// <summary>
/// For whom of an inventory a ceiling rises. For one principal this is the same question again, asked of nothing but the clauses that mean it: exact where the
/// changes themselves only show that somebody is concerned. Principals that the same clauses mean are asked about once.
/// </summary>
/// <param name="work">Of all principals together; what is not decided in time is told of everybody whom the changed permit means.</param>
internal sealed class CeilingImpact(Authority before, Authority after, ImmutableArray<AuthorityChange> changes, WorkBudget work)
{
    private readonly Dictionary<string, ImmutableArray<(AuthorityChange Change, CapabilityRequest Request, DateTimeOffset At)>> _known = new(StringComparer.Ordinal);
    private readonly ILookup<object, AuthorityChange> _byPermit =
        changes.Where(change => change.Kind == AuthorityChangeKind.Ceiling).ToLookup(object (change) => ChangedBy(change), ReferenceEqualityComparer.Instance);

    public static ImmutableArray<PrincipalImpact> Find(Authority before, Authority after, ImmutableArray<AuthorityChange> changes, InventoryIndex inventory)
    {
        if (changes.All(change => change.Kind != AuthorityChangeKind.Ceiling)) return [];
        return [.. new CeilingImpact(before, after, changes, new WorkBudget(WorkBudget.OfDifference)).On(inventory)];
    }

    private IEnumerable<PrincipalImpact> On(InventoryIndex inventory)
    {
        // A rise comes with a permit that is gone or new, and only for whom that means.
        int[] concerned = [.. _byPermit.Select(changed => (PolicyClause)changed.Key).SelectMany(clause => inventory.Alike.SelectMany(alike => alike.MeantBy(clause))).Distinct().Order()];
        Principal[] principals = Array.ConvertAll(concerned, at => inventory[at]);
        var index = new InventoryIndex(principals);
        var (was, will) = (Meaning(before.Clauses, index, principals.Length), Meaning(after.Clauses, index, principals.Length));
        for (var at = 0; at < principals.Length; at++)
        {
            var alike = $"{Names(was[at])}/{Names(will[at])}";
            var principal = principals[at];
            if (!_known.TryGetValue(alike, out var rises)) _known.Add(alike, rises = Rises(principal, was[at].Select(clause => before.Clauses[clause]), will[at].Select(clause => after.Clauses[clause])));
            foreach (var rise in rises) yield return new PrincipalImpact(principal, rise.Change, rise.Request, rise.At);
        }
    }

    /// <summary>For each principal the clauses that mean it, permits for certain and forbids perhaps; those about more first.</summary>
    private static List<int>[] Meaning(ImmutableArray<PolicyClause> clauses, InventoryIndex index, int principals)
    {
        var meaning = new List<int>[principals];
        for (var at = 0; at < principals; at++) meaning[at] = [];
        foreach (var (clause, number) in clauses.Select((clause, number) => (clause, number)).OrderBy(one => DepthOf(one.clause.Subject)))
        {
            foreach (var at in index.Alike.SelectMany(alike => alike.MeantBy(clause))) meaning[at].Add(number);
        }

        return meaning;
    }

    private static int DepthOf(PolicySubject subject) => (subject.SpiffeId?.ToString() ?? subject.SpiffeIdPrefix?.Text)?.Length ?? 0;

    private ImmutableArray<(AuthorityChange, CapabilityRequest, DateTimeOffset)> Rises(Principal principal, IEnumerable<PolicyClause> was, IEnumerable<PolicyClause> will)
    {
        // Of the caller nothing is left to differ.
        var only = new PolicySubject { SpiffeId = principal.Id };
        var stated = new Dictionary<PolicyClause, PolicyClause>(ReferenceEqualityComparer.Instance);
        var told = new List<AuthorityChange>();
        var search = new CeilingSearch(Restricted(was), Restricted(will), work, told.Add);
        new CeilingGain(search).Find();
        new AdmissionCeilingGain(search).Find();
        return
        [
            .. from rise in told
               from change in _byPermit[stated[ChangedBy(rise)]]
               where change.Limit == rise.Limit
               group (change, rise.Example ?? change.Example!) by change into same
               let shown = same.First()
               select (shown.Item1, shown.Item2.Request, shown.Item2.At),
        ];

        Authority Restricted(IEnumerable<PolicyClause> clauses) => new(clauses.Select(clause =>
        {
            var mine = clause with { Subject = only };
            stated.Add(mine, clause);
            return mine;
        }), before.From, work);
    }

    private static PolicyClause ChangedBy(AuthorityChange change) => change.Held ?? change.Permit;

    private static string Names(List<int> clauses) => string.Join(',', clauses.Select(clause => clause.ToString(CultureInfo.InvariantCulture)));
}
