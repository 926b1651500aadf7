// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using Identity.Cli;
using static Identity.Tests.Cli.CliServer;
using static Identity.Tests.Server.ComponentPolicy.TestPolicies;

namespace Identity.Tests.Cli;

/// <summary><c>identity apply</c> of registration entries: what becomes of those that are there.</summary>
public sealed class ApplyCommandTests : IAsyncLifetime
{
    private CliServer _cli = null!;

    public async ValueTask InitializeAsync() => _cli = await CliServer.StartAsync();

    public ValueTask DisposeAsync() => _cli.DisposeAsync();

    [Fact]
    public async Task Another_program_with_the_same_identity_takes_nothing_from_the_first_unless_told_to_replace_it()
    {
        await _cli.RunAsync("apply", "-f", Entry("unix:path:/bin/first"));

        var foretold = await _cli.RunAsync("apply", "--dry-run", "--replace", "-f", Entry("unix:path:/bin/second"));
        Assert.Contains($"RegistrationEntry {Cart} would be updated", foretold.Output, StringComparison.Ordinal);
        Assert.Contains("is no longer for unix:path:/bin/first but for unix:path:/bin/second", foretold.Output, StringComparison.Ordinal);

        var beside = await _cli.RunAsync("apply", "--beside", "-f", Entry("unix:path:/bin/second"));
        Assert.Contains($"RegistrationEntry {Cart} created", beside.Output, StringComparison.Ordinal);
        Assert.Contains("which stays for unix:path:/bin/first", beside.Output, StringComparison.Ordinal);
        Assert.Equal(2, _cli.Server.Ledger.State.Entries.Count);
    }

    [Fact]
    public async Task A_document_made_narrower_leaves_no_wide_entry()
    {
        await _cli.RunAsync("apply", "-f", Entry("unix:uid:1000"));

        var narrower = await _cli.RunAsync("apply", "-f", Entry("unix:uid:1000", "unix:path:/bin/cart"));

        Assert.Contains($"RegistrationEntry {Cart} updated", narrower.Output, StringComparison.Ordinal);
        Assert.Equal(2, Assert.Single(_cli.Server.Ledger.State.Entries.Values).Selectors.Count);
    }

    [Theory]
    [InlineData("apply")]
    [InlineData("apply", "--dry-run")]
    public async Task What_is_not_clear_about_an_entry_is_asked_before_anything_is_sent(params string[] verb)
    {
        await _cli.RunAsync("apply", "-f", Entry("unix:uid:1000", "unix:path:/bin/cart"));
        var before = _cli.Server.Ledger.State.Revision;

        var (code, output, error) = await _cli.RunAsync([.. verb, "-f", Entry("unix:uid:1000"), _cli.Write("policy.yaml", Permit("shop"))]);

        Assert.Equal((ExitCode.Refused, ""), (code, output));
        Assert.Contains("--replace gives its place to the new one, --beside keeps both", error, StringComparison.Ordinal);
        Assert.Equal(before, _cli.Server.Ledger.State.Revision);
    }

    [Fact]
    public async Task Replacing_and_keeping_exclude_each_other() =>
        Assert.Equal(ExitCode.Usage, (await CliServer.RunOfflineAsync("apply", "--replace", "--beside", "-f", Entry("unix:uid:1"))).Code);

    [Fact]
    public async Task A_selector_of_a_type_that_nobody_gives_is_refused_before_anything_is_sent()
    {
        var (code, _, error) = await _cli.RunAsync("apply", "-f", Entry("unix:uid:1000", "unx:path:/bin/cart"), _cli.Write("policy.yaml", Permit("shop")));
        Assert.Equal(ExitCode.Usage, code);
        Assert.Contains("did you mean unix?", error, StringComparison.Ordinal);
        Assert.Contains("--selector-type", error, StringComparison.Ordinal);
        Assert.Empty(_cli.Server.Ledger.State.Entries);
        Assert.Empty(_cli.Server.Ledger.State.Policies);

        // The server has the last word: what is allowed here alone is not allowed.
        var alone = await _cli.RunAsync("apply", "--selector-type", "tpm", "-f", Entry("tpm:x"));
        Assert.Equal(ExitCode.Usage, alone.Code);
        Assert.Contains("start identityd with --selector-type", alone.Error, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Ok, (await _cli.RunAsync("apply", "-f", Entry("k8s:ns:shop", "docker:label:x"))).Code);
    }

    [Fact]
    public async Task A_selector_of_an_attestor_of_ones_own_is_taken_where_both_are_told()
    {
        await using var told = await CliServer.StartAsync(("selector-type:0", "tpm"));
        var (code, output, error) = await told.RunAsync("apply", "--selector-type", "tpm", "-f", Entry("tpm:x"));
        Assert.Equal((ExitCode.Ok, ""), (code, error));
        // And that nobody knows its parent.
        Assert.StartsWith($"RegistrationEntry {Cart} created\n", output, StringComparison.Ordinal);
    }

    private string Entry(params string[] selectors) => _cli.Write(
        "entry.yaml", $"kind: RegistrationEntry\nspiffeId: {Cart}\nparentId: spiffe://example.org/nodes/local\nselectors: [{string.Join(", ", selectors.Select(selector => $"'{selector}'"))}]\n");
}
