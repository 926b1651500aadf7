using System.Text.RegularExpressions;
using Spiffe.Net;

namespace Identity.Policy.Tests;

/// <summary>The examples and the answers of docs/policy.md are what they say.</summary>
public sealed partial class PolicyGuideTests
{
    private static readonly string[] GreeterImports = ["wasmcloud:identity/store@0.0.1", "wasmcloud:messaging/consumer@0.2.0"];

    private readonly string _guide = File.ReadAllText(Samples.RepositoryFile("docs/policy.md"));

    [Fact]
    public void Every_example_is_read()
    {
        var examples = YamlBlock().Matches(_guide).Select(match => match.Groups[1].Value).ToArray();
        Assert.True(examples.Length >= 7);
        Assert.All(examples, example => Assert.True(ManifestReader.TryRead(example, out _, out var problems), string.Join('\n', problems)));
    }

    [Fact]
    public void Every_answer_is_that_of_the_example_before_it()
    {
        var answers = 0;
        foreach (Match table in AnswerTable().Matches(_guide))
        {
            var example = YamlBlock().Matches(_guide).Last(match => match.Index < table.Index).Groups[1].Value;
            var policy = Samples.Policy(example);
            var principal = new Principal
            {
                Id = SpiffeId.Parse(table.Groups["id"].Value),
                Namespace = table.Groups["namespace"] is { Success: true, Value: var name } ? name : null,
                Signers = table.Groups["signer"] is { Success: true, Value: var signer } ? [SignerName.Parse(signer)] : [],
            };
            foreach (Match row in AnswerRow().Matches(table.Groups["rows"].Value))
            {
                var decision = NatsRights.Decide(policy, principal, CapabilityRequest.Parse(row.Groups[1].Value), Samples.Now);
                var said = (decision.Allowed ? "yes" : "no") + (decision.Warned ? ", with a warning" : "")
                    + (decision.ShadowAllowed is { } turned ? $"; {(turned ? "yes" : "no")} once {decision.ShadowRule} is enforced" : "");
                Assert.Equal((row.Groups[1].Value, row.Groups[2].Value), (row.Groups[1].Value, said));
                answers++;
            }
        }

        Assert.True(answers >= 29, $"only {answers} answers were found");
    }

    /// <summary>What stands there as an example can be copied into a rule, and what it is said to mean is what it means.</summary>
    [Fact]
    public void Every_capability_in_the_table_is_read_as_it_stands_there()
    {
        var read = 0;
        foreach (var row in RowsOf("capability"))
        {
            foreach (var example in TickedIn(row[0]))
            {
                Assert.True(IsRead(example, forbids: row[1].Contains("forbids only", StringComparison.Ordinal), out var problem), $"{example}: {problem}");
                if (row[1].Contains("forbids only", StringComparison.Ordinal)) Assert.False(IsRead(example, forbids: false, out _), $"{example} is read in a permit");
                read++;
            }

            // Of what it is said to mean: another form of the same, whole or only its value, or an access.
            var kind = row[0].Trim('`', ' ').Split(':')[0];
            foreach (var other in TickedIn(row[1]))
            {
                if (other == "*") continue;
                var whole = other.StartsWith('{') ? other
                    : kind.StartsWith('{') ? WithAccess().Replace(row[0].Trim('`', ' '), $"access: [{other}]")
                    : other.StartsWith("protocol: ", StringComparison.Ordinal) ? $"{{ connect: a.example.com:53, {other} }}"
                    : other == "natsRespond" ? other
                    : other.StartsWith('*') ? $"{kind}: \"{other}{(kind == "connect" ? ":443" : "")}\""
                    : $"{kind}: {other}";
                // A bucket is managed whole.
                if (other == "manage" && kind == "{ bucket") whole = "{ bucket: settings, access: [manage] }";
                Assert.True(IsRead(whole, forbids: other == "natsRespond", out var problem), $"{whole} (from `{other}`): {problem}");
                read++;
            }
        }

        Assert.True(read >= 38, $"only {read} examples were found");
        Assert.True(IsRead("connect: \"api.example.com:*\"", forbids: false, out _), "* for every port");
    }

    [Fact]
    public void Every_attribute_in_the_table_of_subjects_and_every_field_in_that_of_rules_is_known_and_none_is_left_out()
    {
        var attributes = RowsOf("attribute").SelectMany(row => TickedIn(row[0])).ToHashSet(StringComparer.Ordinal);
        Assert.Equal(WordsIn("subjects: [{ no: x }]"), attributes);
        var fields = RowsOf("field").SelectMany(row => TickedIn(row[0])).ToHashSet(StringComparer.Ordinal);
        Assert.Equal(WordsIn("no: x"), fields);

        // What the reader says that it would have understood.
        static HashSet<string> WordsIn(string field)
        {
            Assert.False(PolicyParser.TryParse($"kind: CapabilityPolicy\nname: p\nrules:\n- name: r\n  effect: permit\n  {(field.StartsWith("subjects", StringComparison.Ordinal) ? "" : "subjects: [{ lattice: l }]\n  ")}capabilities: [start]\n  {field}\n", out _, out var problems));
            var text = problems.Select(problem => problem.Text).Single(problem => problem.Contains("unknown field 'no'", StringComparison.Ordinal));
            return [.. text[(text.IndexOf("expected one of ", StringComparison.Ordinal) + "expected one of ".Length)..].Split(", ")];
        }
    }

    [Fact]
    public void Every_selector_in_the_table_is_read_and_may_be_somebodys()
    {
        var selectors = RowsOf("selector").SelectMany(row => TickedIn(row[0]))
            .Select(selector => selector.Replace("<64 hexadecimal digits>", new string('a', 64), StringComparison.Ordinal).Replace("…", "x", StringComparison.Ordinal)).ToArray();
        Assert.True(selectors.Length >= 13, $"only {selectors.Length} selectors were found");
        foreach (var selector in selectors)
        {
            // The bytes of a program are attested with its path.
            var beside = selector.StartsWith("unix:sha256:", StringComparison.Ordinal) ? ", \"unix:path:/usr/bin/web\"" : "";
            var entry = $"kind: RegistrationEntry\nspiffeId: spiffe://example.org/web\nparentId: spiffe://example.org/nodes/local\nselectors: [\"{selector}\"{beside}]\n";
            Assert.True(ManifestReader.TryRead(entry, out var manifest, out var problems), $"{selector}: {string.Join('\n', problems)}");
            Assert.Contains(selector, Assert.Single(manifest.Entries).Selectors);
            Assert.Null(KnownSelectors.WhyNeverMatches(selector));
            Assert.Null(KnownSelectors.WhyUnknownType(selector, []));
        }
    }

    [Fact]
    public void The_first_policy_admits_the_greeter_and_no_other_import()
    {
        var policy = Samples.Policy(Example("greetings"));
        Assert.IsType<Decision.Admitted>(ComponentAdmission.Decide(policy, Samples.Start(GreeterImports), Samples.Now));
        Assert.IsType<Decision.Denied>(ComponentAdmission.Decide(policy, Samples.Start([.. GreeterImports, "wasi:io/poll@0.2.0"]), Samples.Now));
    }

    [Fact]
    public void The_guardrails_hold_against_a_grant()
    {
        var grant = Samples.Source(("permit", $"spiffeId: {Samples.Greeter}", "{ import: wasi:sockets/tcp@0.2.0 }"));
        Assert.IsType<Decision.Admitted>(ComponentAdmission.Decide(Samples.Policy(grant), Samples.Start("wasi:sockets/tcp@0.2.0"), Samples.Now));
        Assert.IsType<Decision.Denied>(ComponentAdmission.Decide(Samples.Policy(grant, Example("guardrails")), Samples.Start("wasi:sockets/tcp@0.2.0"), Samples.Now));
    }

    [Fact]
    public void The_exception_ends()
    {
        var policy = Samples.Policy(Example("migration"));
        var importer = Samples.Start("wasi:filesystem/types@0.2.3") with { Id = SpiffeId.Parse("spiffe://example.org/components/importer") };
        var admitted = Assert.IsType<Decision.Admitted>(ComponentAdmission.Decide(policy, importer, Samples.Now));
        Assert.IsType<Decision.Denied>(ComponentAdmission.Decide(policy, importer, admitted.ValidUntil!.Value));
    }

    [Fact]
    public void The_refusal_reads_as_on_the_page()
    {
        var snooper = Samples.Start("wasi:sockets/tcp@0.2.0") with { Id = SpiffeId.Parse("spiffe://example.org/components/snooper") };
        var denied = Assert.IsType<Decision.Denied>(ComponentAdmission.Decide(Samples.Policy(Example("greetings")), snooper, Samples.Now));
        foreach (var line in denied.Explanation.ToText().Split('\n').Take(4)) Assert.Contains(line, _guide, StringComparison.Ordinal);
    }

    [Fact]
    public void The_default_ceilings_are_those_on_the_page()
    {
        var ceilings = ResourceCeilings.Default;
        Assert.Contains(
            $"{ceilings.MemoryBytes >> 20}MiB, {ceilings.Memories} memories, {ceilings.Fuel} fuel, {ceilings.Time.TotalSeconds}s, {ceilings.Instances} instances, {ceilings.Tables} tables, {ceilings.TableElements} elements",
            _guide, StringComparison.Ordinal);
    }

    private string Example(string policy) =>
        YamlBlock().Matches(_guide).Select(match => match.Groups[1].Value).Single(example => example.Contains($"\nname: {policy}\n", StringComparison.Ordinal));

    private static bool IsRead(string capability, bool forbids, out string problem)
    {
        var source = $"kind: CapabilityPolicy\nname: p\nrules:\n  - name: r\n    effect: {(forbids ? "forbid" : "permit")}\n    subjects: [{{ lattice: l }}]\n    capabilities:\n      - {capability}\n";
        var isRead = PolicyParser.TryParse(source, out _, out var problems);
        problem = string.Join('\n', problems);
        return isRead;
    }

    // The cells of the table whose first column is called so.
    private List<string[]> RowsOf(string first)
    {
        var lines = _guide.Split('\n');
        var head = Array.FindIndex(lines, line => line.StartsWith($"| {first} | ", StringComparison.Ordinal) && (first != "attribute" || line == "| attribute | means |"));
        Assert.True(head >= 0, $"docs/policy.md has no table '{first}'");
        return [.. lines.Skip(head + 2).TakeWhile(line => line.StartsWith('|')).Select(line => line.Trim('|').Split(" | "))];
    }

    private static IEnumerable<string> TickedIn(string cell) => Ticked().Matches(cell).Select(match => match.Groups[1].Value);

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex Ticked();

    [GeneratedRegex(@"access: \[\w+\]")]
    private static partial Regex WithAccess();

    [GeneratedRegex("```yaml\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex YamlBlock();

    [GeneratedRegex(@"^\| `(?<id>spiffe://[^`]+)`(?: in namespace `(?<namespace>[^`]+)`)?(?: signed by `(?<signer>[^`]+)`)? asks \| answer \|\n\| --- \| --- \|\n(?<rows>(?:\|[^\n]*\n)+)", RegexOptions.Multiline)]
    private static partial Regex AnswerTable();

    [GeneratedRegex(@"^\| `([^`]+)` \| ([^|]+) \|$", RegexOptions.Multiline)]
    private static partial Regex AnswerRow();
}
