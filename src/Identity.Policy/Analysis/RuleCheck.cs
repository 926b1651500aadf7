using System.Collections.Immutable;

namespace Identity.Policy.Analysis;

/// <summary>Looks at rules beside rules. Each is judged without those that were found needless before it, so that two that say the same are not both.</summary>
internal sealed class RuleCheck(CapabilityPolicy policy, RuleLines lines, DateTimeOffset now)
{
    private const int MaxNamed = 3;

    // For all rules together: what takes longer is not checked whole, and that is said.
    private readonly WorkBudget _work = new(10 * WorkBudget.OfDifference);
    private readonly HashSet<RuleReference> _needless = [];

    // Rules that only hold a ceiling down, and how many were known to be needless when that was found.
    private readonly Dictionary<RuleReference, int> _holding = [];
    private Authority _authority = null!;

    public IEnumerable<PolicyWarning> Find()
    {
        _authority = new Authority(policy.Clauses, now, _work);
        var clauses = _authority.Clauses.ToLookup(clause => clause.Rule);
        var all = (from document in policy.Documents from rule in document.Rules where rule.Mode is not (RuleMode.Off or RuleMode.Shadow) select (Reference: new RuleReference(document.Name, rule.Name), Rule: rule)).ToArray();
        for (var rules = all; rules.Length > 0;)
        {
            foreach (var (reference, rule) in rules)
            {
                if ((WhyDead(rule, reference) ?? Judge(reference, [.. clauses[reference]])) is { } warning) yield return warning;
                if (!_work.IsExhausted) continue;
                yield return Warn(PolicyWarningKind.Undecided, reference, "from here on, rules were not compared with the others: that is too much work", "check parts of the policy by themselves");
                yield break;
            }

            // What held a ceiling down may hold nothing any more, now that others are known to be needless.
            rules = Array.FindAll(all, one => _holding.TryGetValue(one.Reference, out var known) && known < _needless.Count);
        }
    }

    private PolicyWarning? WhyDead(PolicyRule rule, RuleReference reference)
    {
        if (rule.Effect == RuleEffect.Permit && rule.Expires <= now)
            return Warn(PolicyWarningKind.Dead, reference, $"has expired at {rule.Expires:yyyy-MM-dd'T'HH:mm:ss'Z'} and grants nothing", "remove it, or give it a later 'expires'");
        if (policy.ClauseList.Any(clause => clause.Rule == reference)) return null;
        return Warn(PolicyWarningKind.Dead, reference, "means nobody: its labels are assigned to no subject that it could mean", "assign the label, or remove the rule");
    }

    private PolicyWarning? Judge(RuleReference reference, ImmutableArray<PolicyClause> clauses)
    {
        _holding.Remove(reference);
        // Forbids in mode warn decide nothing, and are there to be counted.
        if (clauses.IsEmpty) return null;
        var permits = clauses[0].Effect == RuleEffect.Permit;
        if (permits && Covered(clauses, _authority.Forbids, reference) is { } forbids)
            return Needless(PolicyWarningKind.Contradiction, reference, clauses, $"permits only what {Named(forbids)} forbid{Singular(forbids)}", "narrow the forbid, or remove this rule");
        if (Covered(clauses, permits ? _authority.Permits : _authority.Forbids, reference) is { } same)
            return Needless(PolicyWarningKind.Shadowed, reference, clauses, $"says nothing that {Named(same)} {(same.Count == 1 ? "does" : "do")} not say already", "remove it, or narrow the other");
        if (permits && Covered(clauses, _authority.Forbids, reference, _authority.Permits) is { } both)
            return Needless(PolicyWarningKind.Shadowed, reference, clauses, $"permits only what {Named(both)} permit or forbid already", "remove it");
        return null;
    }

    /// <summary>The rules that together mean all that the clauses mean; null when they do not.</summary>
    private List<RuleReference>? Covered(ImmutableArray<PolicyClause> clauses, AuthorityIndex index, RuleReference except, AuthorityIndex? or = null)
    {
        var named = new SortedSet<RuleReference>();
        foreach (var clause in clauses)
        {
            foreach (var region in _authority.RegionsOf(clause))
            {
                var cuts = index.Overlapping(region);
                if (or is not null) cuts.AddRange(or.Overlapping(region));
                cuts.RemoveAll(cut => cut.Clause.Rule == except || _needless.Contains(cut.Clause.Rule));
                if (_authority.Outside(region, cuts.ConvertAll(cut => cut.Region)) is not (null, true)) return null;
                // One that covers it alone says more than all that touch it.
                var alone = cuts.Find(cut => _authority.Outside(region, [cut.Region]) is (null, true));
                named.UnionWith(alone is null ? cuts.Select(cut => cut.Clause.Rule) : [alone.Clause.Rule]);
            }
        }

        return named.Count > 0 ? [.. named] : null;
    }

    private PolicyWarning? Needless(PolicyWarningKind kind, RuleReference reference, ImmutableArray<PolicyClause> clauses, string text, string advice)
    {
        // A permit that grants nothing of its own may still hold a ceiling down.
        if (clauses.Any(clause => Limit.All.Any(limit => limit.Of(clause) is not null)) && HoldsCeiling(reference))
        {
            _holding[reference] = _needless.Count;
            return null;
        }

        _needless.Add(reference);
        return Warn(kind, reference, text, advice);
    }

    private bool HoldsCeiling(RuleReference reference)
    {
        var with = new Authority(policy.Clauses.Where(clause => !_needless.Contains(clause.Rule)), now, _work);
        var without = new Authority(with.Clauses.Where(clause => clause.Rule != reference), now, _work);
        return !new AuthorityGain(with, without, _work).Find().IsEmpty || !new AuthorityGain(without, with, _work).Find().IsEmpty;
    }

    private PolicyWarning Warn(PolicyWarningKind kind, RuleReference reference, string text, string advice) => new(kind, reference, lines.Of(reference), text, advice);

    private static string Named(List<RuleReference> rules) => rules.Count == 1 ? $"rule {rules[0]}"
        : $"the rules {string.Join(", ", rules.Take(MaxNamed))}{(rules.Count > MaxNamed ? $" and {rules.Count - MaxNamed} more" : "")} together";

    private static string Singular(List<RuleReference> rules) => rules.Count == 1 ? "s" : "";
}
