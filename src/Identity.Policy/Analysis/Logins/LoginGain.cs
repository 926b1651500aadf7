using System.Collections.Immutable;
using Identity.Policy.Analysis.Sets;
using Identity.Policy.Evaluation;

namespace Identity.Policy.Analysis.Logins;

/// <summary>
/// Finds what NATS logins gain and lose beside what single rights tell: what nats-server is told follows from all rules about somebody together (<see cref="NatsPermissions"/>), and
/// may be less than what each of them permits. Only rules on NATS that one of two policies does not have can be behind a difference, and only where others that mean the same
/// caller are of a kind that cannot be told beside them, or are too many; nothing else is looked at.
/// </summary>
internal sealed class LoginGain
{
    // Fewer are split one by one.
    private const int FewIds = 4;

    private static readonly SignerSet Told = SignerSet.Including([], orUnknown: false);

    private readonly Authority _before;
    private readonly WorkBudget _work;
    private readonly List<Audience> _audiences = [];
    private readonly Dictionary<object, Audience> _byClause = new(ReferenceEqualityComparer.Instance);
    private readonly AuthorityIndex _index;
    private readonly Action<Audience, Func<Statement, bool>, LoginCell> _tell;

    /// <param name="known">Of callers of whom every signer is told, or none; else of those whose signers are told as far as they are keys.</param>
    /// <param name="tell">Receives what differs: whose change is behind it, and by which of what it says.</param>
    public LoginGain(Authority before, IReadOnlyList<Statement> statements, bool known, WorkBudget work, Action<Audience, Func<Statement, bool>, LoginCell> tell)
    {
        (_before, _work, _tell) = (before, work, tell);
        var alike = new Dictionary<(PolicySubject, bool, DateTimeOffset?), Audience>();
        foreach (var statement in statements)
        {
            var key = Audience.KeyOf(statement.Clause);
            if (!alike.TryGetValue(key, out var audience))
            {
                alike.Add(key, audience = new Audience(_audiences.Count, [.. ClauseRegion.CallersOf(statement.Clause).Select(region => Within(region, known)).OfType<Region>()]));
                _audiences.Add(audience);
                _byClause.Add(statement.Clause, audience);
            }

            audience.Add(statement);
        }

        _index = new AuthorityIndex(_audiences.SelectMany(audience => audience.Regions.Select(region => new ClauseRegion(audience.Clause, region))), work);
    }

    /// <summary>The changed ones that were not looked at to the end.</summary>
    public List<Audience> Undecided { get; } = [];

    /// <summary>What both policies say on NATS, each once; empty where they say the same.</summary>
    public static List<Statement> Statements(Authority before, Authority after)
    {
        List<PolicyClause> was = [.. before.Clauses.Where(clause => NatsSubjects.IsAbout(clause.Capability))];
        List<PolicyClause> will = [.. after.Clauses.Where(clause => NatsSubjects.IsAbout(clause.Capability))];
        if (was.TrueForAll(after.Says) && will.TrueForAll(before.Says)) return [];
        var statements = was.ConvertAll(clause => new Statement(clause, IsBefore: true, IsAfter: after.Says(clause)));
        statements.AddRange(will.Where(clause => !before.Says(clause)).Select(clause => new Statement(clause, IsBefore: false, IsAfter: true)));
        return statements;
    }

    /// <summary>
    /// What they say to a caller whose signers are told as far as they are keys: a permit that asks for another name nothing, a forbid the same to whoever signed. Empty where no
    /// other names are asked for, since then such a caller is as one whom nobody else signed.
    /// </summary>
    public static List<Statement> WithoutNames(List<Statement> statements)
    {
        static bool AsksForName(Statement statement) => statement.Clause.Subject.Signer is { IsKey: false };
        if (!statements.Exists(AsksForName)) return [];
        return
        [
            .. from statement in statements
               where !AsksForName(statement) || !statement.Permits
               let clause = AsksForName(statement) ? statement.Clause with { Subject = statement.Clause.Subject with { Signer = null } } : statement.Clause
               group (clause, statement) by (Audience.KeyOf(clause), clause.Capability) into same
               select new Statement(same.First().clause, same.Any(one => one.statement.IsBefore), same.Any(one => one.statement.IsAfter)),
        ];
    }

    public void Find()
    {
        foreach (var audience in _audiences)
        {
            if (!audience.Changed.Any()) continue;
            var isDecided = true;
            foreach (var region in audience.Regions) isDecided &= Find(audience, region);
            if (!isDecided || _work.IsExhausted) Undecided.Add(audience);
        }
    }

    private bool Find(Audience changed, Region region)
    {
        var all = Meeting(region);
        var permitted = Family.Permitted(all);
        var isDecided = true;
        foreach (var family in changed.Changed.SelectMany(statement => Family.Of(statement.Clause.Capability, permitted)).Distinct())
        {
            var related = all.FindAll(family.IsIn);
            if (family.MayDiffer(related, _work)) isDecided &= Find(changed, region, related, new LoginQuestion.OfFamily(family, _work));
        }

        if (new LoginQuestion.OfGiven(_work) is var given && given.IsChangedBy(changed)) isDecided &= Find(changed, region, all, given);
        if (Audience.MayBeTooMany(all, _work)) isDecided &= Find(changed, region, all, new LoginQuestion.OfTooMany(_work));
        return isDecided;
    }

    private bool Find(Audience changed, Region region, List<Audience> related, LoginQuestion question)
    {
        var search = new CellSearch(_work, question.Decide, other => other.Number < changed.Number && question.IsChangedBy(other));
        var parts = ById(region, related).ToList();
        if (parts.Count == 1 || !search.IsNothing(region, related))
        {
            foreach (var (part, outside, open) in parts) search.Find(part, outside, open);
        }

        var isDecided = !search.IsExhausted && !(question is LoginQuestion.OfGiven && MayNameInbox(region, related, statement => statement.IsChanged || search.Cells.Count > 0));
        foreach (var cell in search.Cells)
        {
            if (question is not LoginQuestion.OfFamily family)
            {
                _tell(changed, question.Concerns, cell);
                continue;
            }

            // Whoever has too many is told by that question.
            var all = Meeting(cell.Region);
            if (!Audience.MayBeTooMany(all, _work))
            {
                _tell(changed, question.Concerns, cell);
                continue;
            }

            var apart = new CellSearch(_work, family.DecideApart(cell.Delta), _ => false);
            apart.Find(cell.Region, cell.Outside, all);
            isDecided &= !apart.IsExhausted;
            foreach (var some in apart.Cells) _tell(changed, question.Concerns, some with { Inside = [.. cell.Inside.Union(some.Inside)] });
        }

        return isDecided;
    }

    private static bool MayNameInbox(Region region, List<Audience> related, Func<Statement, bool> concerns)
    {
        var only = ((TreeSet)region[Dimensions.Id]) is { IsExact: true, Within: { } one } ? one.Path : null;
        return related.Exists(audience => audience.Statements.Any(statement => concerns(statement) && statement.MayNameInboxOf(only ?? audience.OnlyId)));
    }

    // Whom rules name one by one is looked at one by one: nobody else's rules matter there.
    private IEnumerable<(Region Region, IReadOnlyList<Audience> Outside, IReadOnlyList<Audience> Open)> ById(Region region, List<Audience> related)
    {
        var ids = (TreeSet)region[Dimensions.Id];
        var named = related.FindAll(audience => audience.OnlyId is not null);
        if (ids.IsExact || named.Count <= FewIds)
        {
            yield return (region, [], related);
            yield break;
        }

        var known = related.ToHashSet();
        foreach (var same in named.GroupBy(audience => audience.OnlyId!, StringComparer.Ordinal))
        {
            if (ids.Intersect(same.First().Regions[0][Dimensions.Id]) is not { } only) continue;
            var one = region.With(Dimensions.Id, only);
            yield return (one, [], Meeting(one).FindAll(known.Contains));
        }

        if (ids.ExceptAll([.. named.Select(audience => audience.Regions[0][Dimensions.Id])]) is { } others)
            yield return (region.With(Dimensions.Id, others), named, related.FindAll(audience => audience.OnlyId is null));
    }

    private List<Audience> Meeting(Region region) =>
        [.. _index.Overlapping(region).Select(clause => _byClause[clause.Clause]).Distinct().OrderBy(audience => audience.Number)];

    private Region? Within(Region region, bool known)
    {
        if (region[Dimensions.Time].Intersect(_before.Since) is not { } time) return null;
        var signers = known ? region[Dimensions.Signers] : region[Dimensions.Signers].Intersect(Told);
        return signers is null ? null : region.With(Dimensions.Time, time).With(Dimensions.Signers, signers);
    }
}
