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
    private readonly ClausesById _changed = new(changes.Where(change => change.Kind == AuthorityChangeKind.Ceiling).Select(ChangedBy).Distinct<PolicyClause>(ReferenceEqualityComparer.Instance));
    private readonly ClausesById _before = new(before.Clauses);
    private readonly ClausesById _after = new(after.Clauses);
    private readonly Dictionary<string, ImmutableArray<(AuthorityChange Change, CapabilityRequest Request, DateTimeOffset At)>> _known = new(StringComparer.Ordinal);
    private readonly ILookup<object, AuthorityChange> _byPermit =
        changes.Where(change => change.Kind == AuthorityChangeKind.Ceiling).ToLookup(object (change) => ChangedBy(change), ReferenceEqualityComparer.Instance);

    public static ImmutableArray<PrincipalImpact> Find(Authority before, Authority after, ImmutableArray<AuthorityChange> changes, IReadOnlyList<Principal> inventory)
    {
        if (changes.All(change => change.Kind != AuthorityChangeKind.Ceiling)) return [];
        var finder = new CeilingImpact(before, after, changes, new WorkBudget(WorkBudget.OfDifference));
        return [.. inventory.SelectMany(finder.Of)];
    }

    private IEnumerable<PrincipalImpact> Of(Principal principal)
    {
        // A rise comes with a permit that is gone or new, and only for whom that means.
        if (_changed.Meaning(principal).Count == 0) return [];
        var (was, will) = (_before.Meaning(principal), _after.Meaning(principal));
        var alike = $"{Names(was)}/{Names(will)}";
        if (!_known.TryGetValue(alike, out var rises)) _known.Add(alike, rises = Rises(principal, _before.Of(was), _after.Of(will)));
        return rises.Select(rise => new PrincipalImpact(principal, rise.Change, rise.Request, rise.At));
    }

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

    /// <summary>Clauses by the ID or prefix that they are for.</summary>
    private sealed class ClausesById
    {
        private readonly PolicyClause[] _clauses;
        private readonly Dictionary<string, List<int>> _byPath = new(StringComparer.Ordinal);
        private readonly Dictionary<string, List<int>>.AlternateLookup<ReadOnlySpan<char>> _lookup;

        public ClausesById(IEnumerable<PolicyClause> clauses)
        {
            _clauses = [.. clauses];
            for (var i = 0; i < _clauses.Length; i++)
            {
                var subject = _clauses[i].Subject;
                var path = (subject.SpiffeId?.ToString() ?? subject.SpiffeIdPrefix?.Text) is { } id ? Dimensions.PathOf(id) : "";
                if (!_byPath.TryGetValue(path, out var same)) _byPath.Add(path, same = []);
                same.Add(i);
            }

            _lookup = _byPath.GetAlternateLookup<ReadOnlySpan<char>>();
        }

        public IEnumerable<PolicyClause> Of(List<int> clauses) => clauses.Select(clause => _clauses[clause]);

        /// <summary>Permits that mean it for certain, forbids that may.</summary>
        public List<int> Meaning(Principal principal)
        {
            var path = principal.Id.ToString().AsSpan("spiffe://".Length);
            var found = new List<int>();
            Add("");
            for (var end = 0; end < path.Length;)
            {
                var next = path[(end + 1)..].IndexOf('/');
                end = next < 0 ? path.Length : end + 1 + next;
                Add(path[..end]);
            }

            return found;

            void Add(ReadOnlySpan<char> prefix)
            {
                if (!_lookup.TryGetValue(prefix, out var clauses)) return;
                foreach (var clause in clauses)
                {
                    if (_clauses[clause].Subject.MayMean(principal, out var untold) && (untold == 0 || _clauses[clause].Effect != RuleEffect.Permit)) found.Add(clause);
                }
            }
        }
    }
}
