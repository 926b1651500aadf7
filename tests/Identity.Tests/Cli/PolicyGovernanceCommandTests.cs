// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using System.Text.Json;
using Identity.Cli;
using static Identity.Tests.Cli.CliServer;
using static Identity.Tests.Server.ComponentPolicy.TestPolicies;

namespace Identity.Tests.Cli;

/// <summary>What a person reads of roles where they look at policy: <c>history</c>, <c>diff</c>, <c>rollback</c>, <c>roles --at</c>, <c>apply</c>.</summary>
public sealed class PolicyGovernanceCommandTests : IAsyncLifetime
{
    private const string Ann = "spiffe://example.org/people/ann";

    private CliServer _cli = null!;

    public async ValueTask InitializeAsync() => _cli = await CliServer.StartAsync();

    public ValueTask DisposeAsync() => _cli.DisposeAsync();

    [Fact]
    public async Task History_shows_roles_and_what_they_were()
    {
        var first = await _cli.AppliedAsync(Permit("shop", capability: Narrow));
        Assert.Equal($"No role was in force at revision {first}.\n", (await _cli.RunAsync("policy", "roles", "--at", $"{first}")).Output);
        var bound = await _cli.AppliedAsync(Role("shop-team", Ann));
        await _cli.AppliedAsync(Role("shop-team", Ann, approvals: 1));

        var lines = (await _cli.RunAsync("policy", "history")).Output.TrimEnd().Split('\n');
        Assert.Contains("role shop-team updated", lines[1], StringComparison.Ordinal);
        Assert.Contains("role shop-team created", lines[2], StringComparison.Ordinal);
        Assert.Contains("  shop created", lines[3], StringComparison.Ordinal);
        using var json = JsonDocument.Parse((await _cli.RunAsync("policy", "history", "shop-team", "-o", "json")).Output);
        Assert.All(json.RootElement.GetProperty("revisions").EnumerateArray(), revision => Assert.True(revision.GetProperty("changes")[0].GetProperty("role").GetBoolean()));
        Assert.Equal(Role("shop-team", Ann) + "\n", (await _cli.RunAsync("policy", "roles", "--at", $"{bound}")).Output);
    }

    [Fact]
    public async Task Diff_of_revisions_says_that_roles_changed_and_are_no_part_of_it()
    {
        var before = await _cli.AppliedAsync(Permit("shop", capability: Narrow));
        var after = await _cli.AppliedAsync(Role("shop-team", Ann));
        var (code, output, error) = await _cli.RunAsync("policy", "diff", $"{before}", $"{after}", "--fail-on", "any");
        Assert.Equal((ExitCode.Ok, "Both allow the same, to everybody, now and later.\n"), (code, output));
        Assert.Equal($"identity: role shop-team changed between the two: who may change policy is no part of what policy allows (`identity policy roles --at {after}`)\n", error);
        Assert.Equal("", (await _cli.RunAsync("policy", "diff", $"{before}", $"{before}")).Error);
    }

    [Fact]
    public async Task Rollback_and_apply_tell_what_they_mean_for_people()
    {
        var first = await _cli.AppliedAsync(Permit("shop", capability: Narrow));
        await _cli.AppliedAsync(Permit("shop", capability: Wide));
        var (_, applied, _) = await _cli.RunAsync("apply", "-f", _cli.Write("role.yaml", Role("shop-team", Ann, approvals: 1)));
        Assert.StartsWith($"PolicyRole shop-team created\nnote: role shop-team: from now on a change by {Ann} ", applied, StringComparison.Ordinal);

        var (code, back, _) = await _cli.RunAsync("policy", "rollback", "--to", $"{first}", "--expected-revision", $"{_cli.Server.Ledger.State.Revision}", "--reason", "why");
        Assert.Equal(ExitCode.Ok, code);
        Assert.Contains($"note: roles stay as they are; one is not as at revision {first}: shop-team", back, StringComparison.Ordinal);
        Assert.Contains("note: role shop-team: changes by", (await _cli.RunAsync("delete", "-f", _cli.Write("role.yaml", Role("shop-team", Ann, approvals: 1)))).Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("shop.yaml", false)]
    [InlineData("shop.yaml", true)]
    public async Task Diff_lays_files_over_a_revision_as_apply_would_unless_they_are_the_whole_and_says_which(string name, bool isWhole)
    {
        var revision = await _cli.AppliedAsync(Permit("shop", capability: Narrow), Forbid("guard", capability: "{ natsPublish: orders.secret }"), Permit("books", "{ spiffeId: spiffe://example.org/books }"));
        var file = _cli.Write(name, Permit("shop", capability: Wide));
        string[] whole = isWhole ? ["--whole"] : [];

        foreach (var (before, after, counts) in new[] { ($"{revision}", file, isWhole ? "1 gained, 1 lost." : "1 gained, 0 lost."), (file, $"{revision}", isWhole ? "1 gained, 1 lost." : "0 gained, 1 lost.") })
        {
            var (_, output, error) = await _cli.RunAsync(["policy", "diff", before, after, .. whole]);
            Assert.Contains(counts, output, StringComparison.Ordinal);
            Assert.Equal(
                isWhole ? $"identity: policies books, guard of revision {revision}, which {file} does not have, count as removed\n"
                : $"identity: revision {revision} is compared with what applying {file} to it would make: policies books, guard stay (--whole takes the files for all of the policy)\n",
                error);
        }

        // What is in force is laid over without a word, for that is what was asked for; the whole is not.
        var server = await _cli.RunAsync(["policy", "diff", "--server", file, .. whole]);
        Assert.Equal(isWhole ? $"identity: policies books, guard of the policies in force, which {file} does not have, count as removed\n" : "", server.Error);
        Assert.Contains(isWhole ? "1 gained, 1 lost." : "1 gained, 0 lost.", server.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Diff_with_a_revision_says_nothing_where_files_have_all_of_it()
    {
        var revision = await _cli.AppliedAsync(Permit("shop", capability: Narrow));
        Assert.Equal("", (await _cli.RunAsync("policy", "diff", $"{revision}", _cli.Write("shop.yaml", Permit("shop", capability: Wide)))).Error);
        Assert.Equal(ExitCode.Usage, (await _cli.RunAsync("policy", "diff", $"{revision}", _cli.Write("role.yaml", Role("shop-team", Ann)))).Code);
    }
}
