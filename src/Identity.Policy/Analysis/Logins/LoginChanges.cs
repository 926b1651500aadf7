using System.Collections.Immutable;
using Identity.Policy.Analysis.Sets;

namespace Identity.Policy.Analysis.Logins;

/// <summary>Puts what logins gain and lose into the parts of a difference: one for all callers who gain or lose the same by the same rule.</summary>
/// <param name="isOfUntoldNames">Of callers whose signers are told as far as they are keys.</param>
internal sealed class LoginChanges(Authority before, bool isOfUntoldNames)
{
    private readonly List<(PolicyClause Clause, LoginCell Cell)> _told = [];

    public static (ImmutableArray<AuthorityChange> Gained, ImmutableArray<AuthorityChange> Lost) Between(Authority before, Authority after, WorkBudget work)
    {
        if (LoginGain.Statements(before, after) is not { Count: > 0 } statements) return ([], []);
        var (known, undecided) = Find(before, statements, isOfUntoldNames: false, work);
        var (gained, lost) = (known.Of(gains: true).ToList(), known.Of(gains: false).ToList());
        if (LoginGain.WithoutNames(statements) is { Count: > 0 } keyed)
        {
            var (others, also) = Find(before, keyed, isOfUntoldNames: true, work);
            undecided = [.. undecided.Union(also)];
            (gained, lost) = (Merged(gained, others.Of(gains: true)), Merged(lost, others.Of(gains: false)));
        }

        var open = undecided.Select(clause => new AuthorityChange { Kind = AuthorityChangeKind.Undecided, Permit = clause, Login = LoginChange.Unknown }).ToList();
        return ([.. gained, .. open], [.. lost, .. open]);
    }

    private static (LoginChanges Changes, List<PolicyClause> Undecided) Find(Authority before, List<Statement> statements, bool isOfUntoldNames, WorkBudget work)
    {
        var changes = new LoginChanges(before, isOfUntoldNames);
        var gain = new LoginGain(before, statements, known: !isOfUntoldNames, work, (audience, concerns, cell) => changes._told.Add((audience.Changed.First(concerns).Clause, cell)));
        gain.Find();
        return (changes, gain.Undecided.ConvertAll(audience => audience.Changed.First().Clause));
    }

    // What is told anyway by the same rule is not told twice.
    private static List<AuthorityChange> Merged(List<AuthorityChange> known, IEnumerable<AuthorityChange> keyed)
    {
        var merged = known.ConvertAll(change => change with { Login = change.Login! with { Keyed = [] } });
        foreach (var change in keyed)
        {
            var at = merged.FindIndex(other => IsSame(other, change));
            if (at < 0) merged.Add(change with { Regions = [], Login = change.Login! with { Keyed = change.Regions } });
            else merged[at] = merged[at] with { Login = merged[at].Login! with { Keyed = [.. merged[at].Login!.Keyed!.Value, .. change.Regions] } };
        }

        return merged;
    }

    private static bool IsSame(AuthorityChange one, AuthorityChange other) => one.Permit.Rule == other.Permit.Rule && one.Login!.Equals(other.Login! with { IsOfUntoldNames = false });

    private IEnumerable<AuthorityChange> Of(bool gains)
    {
        var groups = new Dictionary<(object, string), List<LoginCell>>();
        var order = new List<(PolicyClause Clause, LoginChange Login, List<LoginCell> Cells)>();
        foreach (var (clause, cell) in _told)
        {
            foreach (var onOlder in (bool[])[false, true])
            {
                var parts = cell.Delta.Parts(gains, onOlder);
                if (parts.IsEmpty) continue;
                var isWhole = gains ? cell.Delta.WasTooMany : cell.Delta.WillBeTooMany;
                var key = ((object)clause.Rule, $"{clause.Subject} {isWhole} {onOlder} {string.Join(';', parts)}");
                if (!groups.TryGetValue(key, out var cells))
                {
                    var login = new LoginChange(isWhole, [.. parts.Select(part => part.ToString())]) { IsOnOlder = onOlder, IsOfUntoldNames = isOfUntoldNames, Parts = parts };
                    order.Add((clause, login, groups[key] = cells = []));
                }

                cells.Add(cell);
            }
        }

        return order.Select(group => Of(group.Clause, group.Login, group.Cells));
    }

    private AuthorityChange Of(PolicyClause clause, LoginChange login, List<LoginCell> cells)
    {
        var region = cells[0].Region;
        var example = ExamplePrincipal.In(before.Outside(region, []).Found ?? region);
        if (isOfUntoldNames) example = example with { Unknown = example.Unknown | PrincipalAttributes.NamedSigner };
        return new AuthorityChange
        {
            Kind = AuthorityChangeKind.Login,
            Permit = clause,
            Login = login with { Rules = [.. cells.Select(cell => (Clauses(cell.Inside), Clauses(cell.Outside)))] },
            Beside = InAll(cells, cell => cell.Inside, clause),
            Except = InAll(cells, cell => cell.Outside, clause),
            Example = new AuthorityExample(example, login.RequestOf(example.Id), AuthorityExample.MomentOf(region)),
            Regions = [.. cells.Select(cell => cell.Region)],
        };
    }

    private static ImmutableArray<PolicyClause> Clauses(IEnumerable<Audience> audiences) => [.. audiences.Select(audience => audience.Clause)];

    // The rule itself is told apart.
    private static ImmutableArray<PolicyClause> InAll(List<LoginCell> cells, Func<LoginCell, IReadOnlyList<Audience>> of, PolicyClause clause)
    {
        var shared = of(cells[0]).ToHashSet();
        foreach (var cell in cells.Skip(1)) shared.IntersectWith(of(cell));
        return [.. shared.OrderBy(audience => audience.Number).Select(audience => audience.Clause).Where(other => Audience.KeyOf(other) != Audience.KeyOf(clause))];
    }
}
