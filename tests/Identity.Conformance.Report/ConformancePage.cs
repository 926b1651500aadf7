using System.Text;

namespace Identity.Conformance.Report;

/// <summary>docs/conformance.md: the preamble, then a table for each specification with a row for each of its rules.</summary>
internal static class ConformancePage
{
    public static string Write(string preamble, IReadOnlyList<RuleList> lists, Evidence evidence)
    {
        var page = new StringBuilder(preamble.TrimEnd()).Append('\n');
        foreach (var list in lists)
        {
            page.Append($"\n## {list.Specification}\n\n");
            page.Append($"{list.Source}; {list.Stability}. {Summary(list, evidence)}\n\n");
            page.Append("| rule | level | § | what | side | ours | shown by |\n| --- | --- | --- | --- | --- | --- | --- |\n");
            foreach (var rule in list.Rules)
            {
                page.Append($"| {rule.Id} | {rule.Level} | {rule.Section} | {rule.Text} | {rule.Side} | {rule.Ours} | {ShownBy(rule, evidence)} |\n");
            }
        }
        return page.ToString();
    }

    private static string Summary(RuleList list, Evidence evidence)
    {
        var applying = list.Rules.Where(rule => rule.WhyNot is null).ToList();
        return $"{list.Rules.Count} rules, {applying.Count} apply to us, {applying.Count(evidence.IsShown)} of these are shown.";
    }

    private static string ShownBy(Rule rule, Evidence evidence)
    {
        if (rule.WhyNot is not null) return $"*does not apply*: {rule.WhyNot}";
        var cell = string.Join("; ", Tests(rule, evidence, maySkip: false).Concat(Tests(rule, evidence, maySkip: true)));
        return cell.Length > 0 ? cell : "*no test*";
    }

    // `Class` Method, Method; other `Class` Method; with PEER: …
    private static IEnumerable<string> Tests(Rule rule, Evidence evidence, bool maySkip) =>
        evidence.For(rule)
            .Where(test => test.Needs is not null == maySkip)
            .GroupBy(test => (test.Needs, Class: Short(test.TestClass)))
            .OrderBy(group => group.Key.Needs, StringComparer.Ordinal).ThenBy(group => group.Key.Class, StringComparer.Ordinal)
            .Select(group => (group.Key.Needs is null ? "" : $"with {group.Key.Needs}: ")
                + $"`{group.Key.Class}` {string.Join(", ", group.Select(test => test.TestMethod).Distinct().Order(StringComparer.Ordinal))}");

    private static string Short(string name) =>
        name.StartsWith("Identity.Conformance.Tests.", StringComparison.Ordinal) ? name["Identity.Conformance.Tests.".Length..] : name;
}
