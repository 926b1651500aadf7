using System.Text.RegularExpressions;
using Spiffe.Net;

namespace Identity.Policy.Tests;

/// <summary>The examples of docs/policy.md do what the page says.</summary>
public sealed partial class PolicyGuideTests
{
    private static readonly string[] GreeterImports = ["wasmcloud:identity/store@0.0.1", "wasmcloud:messaging/consumer@0.2.0"];

    private readonly string _guide = File.ReadAllText(Samples.RepositoryFile("docs/policy.md"));

    [Fact]
    public void Every_example_is_read()
    {
        var examples = Examples();
        Assert.Equal(4, examples.Length);
        Assert.All(examples, example => Assert.True(ManifestReader.TryRead(example, out _, out var problems), string.Join('\n', problems)));
    }

    [Fact]
    public void The_first_policy_admits_the_greeter_and_no_other_import()
    {
        var policy = Samples.Policy(Examples()[0]);
        Assert.IsType<Decision.Admitted>(ComponentAdmission.Decide(policy, Samples.Start(GreeterImports), Samples.Now));
        Assert.IsType<Decision.Denied>(ComponentAdmission.Decide(policy, Samples.Start([.. GreeterImports, "wasi:io/poll@0.2.0"]), Samples.Now));
    }

    [Fact]
    public void The_guardrails_hold_against_a_grant()
    {
        var grant = Samples.Source(("permit", $"spiffeId: {Samples.Greeter}", "{ import: wasi:sockets/tcp@0.2.0 }"));
        Assert.IsType<Decision.Admitted>(ComponentAdmission.Decide(Samples.Policy(grant), Samples.Start("wasi:sockets/tcp@0.2.0"), Samples.Now));
        Assert.IsType<Decision.Denied>(ComponentAdmission.Decide(Samples.Policy(grant, Examples()[1]), Samples.Start("wasi:sockets/tcp@0.2.0"), Samples.Now));
    }

    [Fact]
    public void The_exception_ends()
    {
        var policy = Samples.Policy(Examples()[2]);
        var importer = Samples.Start("wasi:filesystem/types@0.2.3") with { Id = SpiffeId.Parse("spiffe://example.org/components/importer") };
        var admitted = Assert.IsType<Decision.Admitted>(ComponentAdmission.Decide(policy, importer, Samples.Now));
        Assert.IsType<Decision.Denied>(ComponentAdmission.Decide(policy, importer, admitted.ValidUntil!.Value));
    }

    [Fact]
    public void The_refusal_reads_as_on_the_page()
    {
        var snooper = Samples.Start("wasi:sockets/tcp@0.2.0") with { Id = SpiffeId.Parse("spiffe://example.org/components/snooper") };
        var denied = Assert.IsType<Decision.Denied>(ComponentAdmission.Decide(Samples.Policy(Examples()[0]), snooper, Samples.Now));
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

    private string[] Examples() => [.. Example().Matches(_guide).Select(match => match.Groups[1].Value)];

    [GeneratedRegex("```yaml\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex Example();
}
