namespace Identity.Conformance.Report;

/// <summary>Which tests show which rule.</summary>
internal sealed class Evidence
{
    private readonly IReadOnlyList<Rule> rules;
    private readonly ILookup<string, ShownRule> byRule;
    private readonly IReadOnlySet<(string TestClass, string TestMethod)> skipping;

    private Evidence(IReadOnlyList<Rule> rules, ILookup<string, ShownRule> byRule, IReadOnlySet<(string, string)> skipping) =>
        (this.rules, this.byRule, this.skipping) = (rules, byRule, skipping);

    /// <param name="skipping">The tests that can be skipped when they run, as <see cref="SkippingTests"/> finds them.</param>
    public static Evidence Of(IReadOnlyList<RuleList> lists, IEnumerable<ShownRule> tests, IReadOnlySet<(string TestClass, string TestMethod)> skipping) =>
        new([.. lists.SelectMany(list => list.Rules)], tests.ToLookup(test => test.RuleId, StringComparer.Ordinal), skipping);

    public IEnumerable<ShownRule> For(Rule rule) => byRule[rule.Id];

    /// <summary>A test that may be skipped shows a rule where it runs; it does not make up for one that always does.</summary>
    public bool IsShown(Rule rule) => byRule[rule.Id].Any(test => test.Needs is null && !MaySkip(test));

    public IEnumerable<string> Problems()
    {
        foreach (var unknown in byRule.Where(group => rules.All(rule => rule.Id != group.Key)))
        {
            yield return $"{unknown.First().TestClass}.{unknown.First().TestMethod} names the rule {unknown.Key}, which is in no list.";
        }
        foreach (var test in byRule.SelectMany(group => group).Where(test => test.Needs is null && MaySkip(test)).DistinctBy(test => (test.TestClass, test.TestMethod)))
        {
            yield return $"{test.TestClass}.{test.TestMethod} shows {test.RuleId} and can be skipped; say for want of what with the trait peer or needs.";
        }
        foreach (var rule in rules.Where(rule => rule.WhyNot is not null && byRule[rule.Id].Any()))
        {
            yield return $"{rule.Id} is said not to apply to us, and {byRule[rule.Id].First().TestClass}.{byRule[rule.Id].First().TestMethod} shows it.";
        }
        foreach (var rule in rules.Where(rule => rule.NeedsTest && !IsShown(rule)))
        {
            yield return $"{rule.Id} ({rule.Level}) has no test that always runs: {rule.Text}";
        }
    }

    private bool MaySkip(ShownRule test) => skipping.Contains((test.TestClass, test.TestMethod));
}
