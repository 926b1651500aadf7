namespace Identity.Conformance.Report;

/// <summary>Which tests show which rule.</summary>
internal sealed class Evidence
{
    private readonly IReadOnlyList<Rule> rules;
    private readonly ILookup<string, ShownRule> byRule;

    private Evidence(IReadOnlyList<Rule> rules, ILookup<string, ShownRule> byRule) => (this.rules, this.byRule) = (rules, byRule);

    public static Evidence Of(IReadOnlyList<RuleList> lists, IEnumerable<ShownRule> tests) =>
        new([.. lists.SelectMany(list => list.Rules)], tests.ToLookup(test => test.RuleId, StringComparer.Ordinal));

    public IEnumerable<ShownRule> For(Rule rule) => byRule[rule.Id];

    /// <summary>A test that only runs beside a foreign program shows a rule where that program is; it does not make up for one that always runs.</summary>
    public bool IsShown(Rule rule) => byRule[rule.Id].Any(test => test.Peer is null);

    public IEnumerable<string> Problems()
    {
        foreach (var unknown in byRule.Where(group => rules.All(rule => rule.Id != group.Key)))
        {
            yield return $"{unknown.First().TestClass}.{unknown.First().TestMethod} names the rule {unknown.Key}, which is in no list.";
        }
        foreach (var rule in rules.Where(rule => rule.WhyNot is not null && byRule[rule.Id].Any()))
        {
            yield return $"{rule.Id} is said not to apply to us, and {byRule[rule.Id].First().TestClass}.{byRule[rule.Id].First().TestMethod} shows it.";
        }
        foreach (var rule in rules.Where(rule => rule.NeedsTest && !IsShown(rule)))
        {
            yield return $"{rule.Id} ({rule.Level}) has no test: {rule.Text}";
        }
    }
}
