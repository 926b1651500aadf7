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
                var decision = PolicyDecision.Decide(policy, principal, CapabilityRequest.Parse(row.Groups[1].Value), Samples.Now);
                var said = (decision.Allowed ? "yes" : "no") + (decision.Warned ? ", with a warning" : "")
                    + (decision.ShadowAllowed is { } turned ? $"; {(turned ? "yes" : "no")} once {decision.ShadowRule} is enforced" : "");
                Assert.Equal((row.Groups[1].Value, row.Groups[2].Value), (row.Groups[1].Value, said));
                answers++;
            }
        }

        Assert.True(answers >= 29, $"only {answers} answers were found");
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

    [GeneratedRegex("```yaml\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex YamlBlock();

    [GeneratedRegex(@"^\| `(?<id>spiffe://[^`]+)`(?: in namespace `(?<namespace>[^`]+)`)?(?: signed by `(?<signer>[^`]+)`)? asks \| answer \|\n\| --- \| --- \|\n(?<rows>(?:\|[^\n]*\n)+)", RegexOptions.Multiline)]
    private static partial Regex AnswerTable();

    [GeneratedRegex(@"^\| `([^`]+)` \| ([^|]+) \|$", RegexOptions.Multiline)]
    private static partial Regex AnswerRow();
}
