namespace Identity.Conformance.Report;

/// <summary>One numbered rule of a specification.</summary>
/// <param name="Level">M must, S should, y may, i informative; two where a rule has two halves.</param>
/// <param name="Side">Whom the specification addresses: I who issues or serves, V who verifies or asks, B both.</param>
/// <param name="Ours">In which of these parts we are shown to keep it, or <c>-</c> where it does not apply to us.</param>
/// <param name="Section">Of the specification.</param>
/// <param name="WhyNot">Why it does not apply to us; null where it does.</param>
internal sealed record Rule(string Id, string Level, string Side, string Ours, string Section, string Text, string? WhyNot)
{
    /// <summary>MUST and SHOULD rules that apply to us have a test, or the build fails.</summary>
    public bool NeedsTest => WhyNot is null && Level.Split('/').Any(level => level is "M" or "S");
}

/// <summary>The rules of one specification, as its file in <c>Rules/</c> has them: a head of <c>name: value</c> lines, then a rule a line.</summary>
internal sealed record RuleList(string Specification, string Source, string Stability, IReadOnlyList<Rule> Rules)
{
    public static IReadOnlyList<RuleList> ReadAll(string folder)
    {
        var lists = Directory.GetFiles(folder, "*.psv").Order(StringComparer.Ordinal).Select(Read).ToList();
        var twice = lists.SelectMany(list => list.Rules).GroupBy(rule => rule.Id).FirstOrDefault(group => group.Count() > 1);
        return twice is null ? lists : throw new FormatException($"{folder}: rule {twice.Key} is there twice.");
    }

    private static RuleList Read(string path)
    {
        var head = new Dictionary<string, string>(StringComparer.Ordinal);
        var rules = new List<Rule>();
        foreach (var line in File.ReadLines(path).Where(line => line.Length > 0))
        {
            if (line.Contains('|', StringComparison.Ordinal)) rules.Add(ParseRule(path, line));
            else if (line.Split(": ", 2) is [var name, var value]) head[name] = value;
            else throw new FormatException($"{path}: neither 'name: value' nor a rule: {line}");
        }
        return new(head["specification"], head["source"], head["stability"], rules);
    }

    private static Rule ParseRule(string path, string line)
    {
        var cells = line.Split('|', StringSplitOptions.TrimEntries);
        var rule = cells switch
        {
            [var id, var level, var side, var ours, var section, var text] => new Rule(id, level, side, ours, section, text, null),
            [var id, var level, var side, var ours, var section, var text, var whyNot] => new Rule(id, level, side, ours, section, text, whyNot),
            _ => throw new FormatException($"{path}: a rule is: id | level | side | ours | section | sentence [| why it does not apply]: {line}"),
        };
        var valid = rule.Level.Split('/').All(level => level is "M" or "S" or "y" or "i")
            && rule.Side is "I" or "V" or "B"
            && (rule.WhyNot is null ? rule.Ours is "I" or "V" or "B" : rule.Ours == "-");
        return valid ? rule : throw new FormatException($"{path}: level is M, S, y or i, side and ours are I, V or B; ours is - with a reason: {line}");
    }
}
