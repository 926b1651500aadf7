// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using System.Text.RegularExpressions;
using Identity.Cli;
using Identity.Testing.Platform;
using Identity.Tests.Server;
using Identity.Tests.Server.ComponentPolicy;
using static Identity.Tests.Server.ComponentPolicy.TestPolicies;

namespace Identity.Tests.Cli;

/// <summary>Every command of docs/policy-administration.md, typed as it stands there, against a running server.</summary>
public sealed partial class PolicyGuideCommandTests : IAsyncLifetime
{
    private CliServer _cli = null!;

    public async ValueTask InitializeAsync() => _cli = await CliServer.StartAsync();

    public ValueTask DisposeAsync() => _cli.DisposeAsync();

    [Fact]
    public async Task Every_command_does_what_the_page_says()
    {
        // What the page takes for granted: a policy, a later change of it, a proposal of somebody else and a staged change.
        var admin = _cli.Policies;
        await admin.ApplyAsync(Role("team", "spiffe://example.org/people/ann", approvals: 1));
        var then = (await admin.ApplyAsync(Permit("shop", capability: "{ connect: api.example.com:443 }"))).Revision;
        var seen = (await admin.ApplyAsync(Permit("shop"))).Revision;
        var guard = _cli.Write("guard.yaml", Forbid("guard", capability: "{ import: \"wasi:sockets/*@*\" }"));

        var executed = 0;
        foreach (var line in Commands())
        {
            var words = Words(line);
            var proposal = words[1..] is ["policy", "approve" or "withdraw", ..] or ["policy", "proposals", _] ? await ProposeAsync() : null;
            var stage = words[1..] is ["policy", "stage", "abort", ..] ? await StageAsync(admin) : null;
            for (var i = 0; i < words.Length; i++)
            {
                words[i] = words[i] switch
                {
                    "42" => $"{then}",
                    "57" => $"{seen}",
                    "guard.yaml" => guard,
                    "p-…" => proposal!.Id,
                    "s-…" => stage!,
                    "…" => proposal!.Hash,
                    _ => words[i],
                };
            }

            var (code, output, error) = await _cli.RunAsync(words[1..]);

            Assert.True(code == ExitCode.Ok, $"{line}\n{output}{error}");
            Assert.DoesNotContain("…", string.Join(' ', words), StringComparison.Ordinal);
            executed++;
        }

        Assert.True(executed >= 12, $"only {executed} commands were found");
    }

    private static IEnumerable<string> Commands() =>
        Blocks().Matches(File.ReadAllText(Path.Combine(Repository.Root, "docs/policy-administration.md"))).SelectMany(block => block.Groups[1].Value.Split('\n'))
            .Where(line => line.StartsWith("identity ", StringComparison.Ordinal)).Select(line => line.Split('#')[0].Trim());

    private static string[] Words(string line) => [.. Word().Matches(line).Select(word => word.Groups[1].Success ? word.Groups[1].Value : word.Value)];

    private async Task<Identity.V1.Proposal> ProposeAsync()
    {
        if (_cli.Server.Ledger.State.Governance.Proposals.Values.FirstOrDefault() is { } open)
            return await _cli.Policies.FindAsync(open.Proposal.Id);
        return await new PolicyWriter(await _cli.Server.AsAsync("spiffe://example.org/people/ann")).ProposeAsync(Permit($"shop.more{_cli.Server.Ledger.State.Revision}"));
    }

    private static async Task<string> StageAsync(PolicyWriter admin) =>
        (await admin.Client.ListStagesAsync(new())).Stages.FirstOrDefault(stage => stage.State == "soaking")?.Id
        ?? throw new InvalidOperationException("the page stages something before it aborts it");

    [GeneratedRegex("```text\n(.*?)```", RegexOptions.Singleline | RegexOptions.CultureInvariant)]
    private static partial Regex Blocks();

    [GeneratedRegex("\"([^\"]*)\"|\\S+", RegexOptions.CultureInvariant)]
    private static partial Regex Word();
}
