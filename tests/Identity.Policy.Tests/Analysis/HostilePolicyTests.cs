using System.Diagnostics;
using System.Globalization;
using System.Text;
using Identity.Policy.Analysis;
using Identity.Policy.Evaluation;

namespace Identity.Policy.Tests.Analysis;

/// <summary>
/// Documents within the bounds of documents that were written to cost: labels that multiply, rules whose comparison is a riddle. What is done about
/// them is counted in steps, and what is not decided in time widens.
/// </summary>
public sealed class HostilePolicyTests
{
    // Far less than what a comparison may cost, so that the tests cost little as well.
    private const long Budget = WorkBudget.OfDifference / 20;

    [Fact]
    public void Labels_that_meet_nobody_together_are_given_up_and_deny_everything()
    {
        // A hundred million pairs of which none means anybody: no clause ever counts them.
        var document = Samples.Document(Labels(
            10_000, number => $"{{ spiffeIdPrefix: spiffe://a/{number} }}", number => $"{{ spiffeIdPrefix: spiffe://b/{number} }}"));
        var labels = new LabelExpansion([document]);
        Assert.Empty(labels.Expand(document.Rules[0].Subjects[0]));
        Assert.True(labels.IsExhausted);
        Assert.InRange(labels.Steps, LabelExpansion.MaxSteps, LabelExpansion.MaxSteps + 20_000);
        Assert.Contains("more than 4000000 combinations", CapabilityPolicy.Create([document], 1).Unreadable, StringComparison.Ordinal);
    }

    [Fact]
    public void Labels_of_many_identities_cost_no_more_than_their_number()
    {
        var document = Samples.Document(Labels(
            10_000, number => $"{{ spiffeId: spiffe://a/{number} }}", number => $"{{ spiffeId: spiffe://a/{(number * 7) % 20_000} }}"));
        var labels = new LabelExpansion([document]);
        var both = labels.Expand(document.Rules[0].Subjects[0]).ToList();
        Assert.Equal(Enumerable.Range(0, 10_000).Select(number => number * 7 % 20_000).Distinct().Count(number => number < 10_000), both.Count);
        Assert.InRange(labels.Steps, 10_000, 30_000);
    }

    [Fact]
    public void One_label_given_to_the_same_by_a_thousand_documents_is_read_once_for_each()
    {
        var documents = Enumerable.Range(0, 1_000).Select(number => Samples.Document(
            $"kind: CapabilityPolicy\nname: p{number}\nlabels:\n  - name: team\n    value: x\n    subjects: [{string.Join(", ", Enumerable.Range(0, 50).Select(one => $"{{ spiffeId: spiffe://a/{number}/{one} }}"))}]\n"
            + "rules:\n  - { name: r, effect: permit, subjects: [{ labels: { team: x } }], capabilities: [start] }\n"));
        var labels = new LabelExpansion([.. documents]);
        Assert.Equal(50_000, labels.Expand(new PolicySubject { Labels = PolicySubject.NoLabels.Add("team", "x") }).Count());
        Assert.Equal(50_000, labels.Steps);
    }

    public static TheoryData<string> Riddles =>
    [
        // A forbid for each corner of a space of many dimensions.
        "dimensions",
        // Forbids that name every name we would think of next.
        "names",
        // Many changed permits, each beside many forbids.
        "crowd",
        // Spans of ports and networks that cut one another to pieces.
        "spans",
        // Ceilings of every rule stated anew, each beside all others.
        "ceilings",
        // Signers and images of all kinds.
        "signers",
    ];

    [Theory]
    [MemberData(nameof(Riddles))]
    public void A_riddle_costs_no_more_than_its_budget_and_what_is_undecided_widens(string riddle)
    {
        var (before, after) = Riddle(riddle);
        var work = new WorkBudget(Budget);
        var diff = PolicyDiff.Between(before, after, Samples.Now, work);
        // One question may overrun by its last step, which is as large as a set.
        Assert.InRange(work.Used, 1, Budget + 10_000);
        Assert.Equal(work.IsExhausted, !diff.IsComplete);
        Assert.NotEmpty(diff.Gained);
        TestContext.Current.TestOutputHelper?.WriteLine($"{riddle}: {work.Used} steps, {(diff.IsComplete ? "decided" : "undecided")}, {diff.Gained.Length} gained");
    }

    [Fact]
    public void When_the_work_is_used_up_every_clause_that_may_be_behind_a_gain_is_told_as_undecided()
    {
        var (before, after) = Riddle("crowd");
        var diff = PolicyDiff.Between(before, after, Samples.Now, new WorkBudget(1_000));
        Assert.False(diff.IsComplete);
        var undecided = diff.Gained.Where(change => change.Kind == AuthorityChangeKind.Undecided).Select(change => change.Permit.Rule).ToHashSet();
        foreach (var clause in after.Clauses.Where(clause => clause.Effect == RuleEffect.Permit && !diff.Gained.Any(change => change.Permit.Rule == clause.Rule && change.Kind == AuthorityChangeKind.Authority)))
            Assert.Contains(clause.Rule, undecided);
    }

    private static (CapabilityPolicy Before, CapabilityPolicy After) Riddle(string riddle)
    {
        var permit = "{ name: p, effect: permit, subjects: [{ spiffeIdPrefix: spiffe://t }], capabilities: [{ natsPublish: 'a.>' }, { connect: '*:*' }, { connect: '0.0.0.0/0:*' }, start] }";
        List<string> rules = riddle switch
        {
            "dimensions" => [permit, .. from one in Enumerable.Range(0, 22) from kind in Enumerable.Range(0, 7) select Forbid($"d{one}-{kind}", Corner(one, kind), $"{{ natsPublish: 'a.*.{Word(one * 3 + kind)}' }}")],
            "names" => [permit, .. Enumerable.Range(0, 5_000).Select(number => Forbid($"n{number}", $"spiffeIdPrefix: spiffe://t/{Fresh(number)}", "start"))],
            "crowd" => [.. Enumerable.Range(0, 1_500).Select(number => $"{{ name: p{number}, effect: permit, subjects: [{{ spiffeIdPrefix: spiffe://t }}], capabilities: [{{ natsPublish: 'a.{number}.>' }}] }}"),
                .. Enumerable.Range(0, 1_500).Select(number => Forbid($"f{number}", $"spiffeIdPrefix: spiffe://t/{number}", "{ natsPublish: '*.*.x' }"))],
            "spans" => [permit, .. Enumerable.Range(0, 1_500).Select(number => Forbid($"s{number}", "spiffeIdPrefix: spiffe://t", $"{{ connect: '{number % 250}.{number % 7}.0.0/{16 + number % 16}:{1 + number * 13 % 40_000}-{20_000 + number * 29 % 45_000}' }}".Replace("0.0/", "0.0/", StringComparison.Ordinal)))],
            "ceilings" => [.. Enumerable.Range(0, 1_500).Select(number => $"{{ name: p{number}, effect: permit, ceilings: {{ fuel: {2_000_000_000L + number} }}, subjects: [{{ spiffeIdPrefix: spiffe://t }}], capabilities: [{{ import: 'a:b{number}/c@1.0.0' }}, {{ export: 'a:b{number}/c@1.0.0' }}] }}")],
            _ => [permit, .. Enumerable.Range(0, 200).Select(number => Forbid($"g{number}", $"signer: s{number}, imagePrefix: r.io/{number % 5}", "start")), .. Enumerable.Range(0, 200).Select(number => Forbid($"h{number}", $"signer: s{number}, host: spiffe://t/{number % 9}", "start"))],
        };
        var after = Parse(rules);
        var before = riddle == "ceilings"
            ? Parse(rules.ConvertAll(rule => rule.Replace("fuel: 2", "fuel: 1", StringComparison.Ordinal)))
            : Parse([.. rules.Where(rule => !rule.Contains("effect: permit", StringComparison.Ordinal))]);
        return (before, after);
    }

    private static CapabilityPolicy Parse(List<string> rules)
    {
        var policy = Samples.Policy($"kind: CapabilityPolicy\nname: p\nrules:\n{string.Concat(rules.Select(rule => $"  - {rule}\n"))}{(rules.Count == 0 ? "  - { name: x, effect: forbid, subjects: [{ lattice: none }], capabilities: [start] }\n" : "")}");
        Debug.Assert(policy.Unreadable is null);
        return policy;
    }

    private static string Forbid(string name, string subject, string capability) => $"{{ name: {name}, effect: forbid, subjects: [{{ {subject} }}], capabilities: [{capability}] }}";

    private static string Corner(int one, int kind) => kind switch
    {
        0 => $"namespace: n{one}, lattice: l{one % 5}",
        1 => $"lattice: l{one}, signer: s{one % 7}",
        2 => $"signer: s{one}, host: spiffe://t/{one % 3}",
        3 => $"host: spiffe://t/{one}, digest: {Digest(one % 5)}",
        4 => $"digest: {Digest(one)}, imagePrefix: r.io/{one % 4}",
        5 => $"imagePrefix: r.io/{one}, namespace: n{one % 6}",
        _ => $"spiffeIdPrefix: spiffe://t/{one}, signer: s{one % 11}",
    };

    private static string Digest(int number) => string.Create(CultureInfo.InvariantCulture, $"sha256:{number:x64}");

    private static string Word(int number) => $"w{number}";

    // As the analysis numbers them.
    private static string Fresh(int number) => Dimensions.SpiffeIds.Child("t", number)!["t/".Length..];

    private static string Labels(int count, Func<int, string> one, Func<int, string> other)
    {
        var text = new StringBuilder("kind: CapabilityPolicy\nname: p\nlabels:\n");
        foreach (var (name, subject) in new[] { ("one", one), ("other", other) })
        {
            text.Append(CultureInfo.InvariantCulture, $"  - name: {name}\n    value: x\n    subjects:\n");
            for (var number = 0; number < count; number++) text.Append(CultureInfo.InvariantCulture, $"      - {subject(number)}\n");
        }

        return text.Append("rules:\n  - { name: r, effect: forbid, subjects: [{ labels: { one: x, other: x } }], capabilities: [start] }\n").ToString();
    }
}
