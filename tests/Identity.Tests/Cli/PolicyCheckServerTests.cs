// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using Identity.Cli;
using Identity.Policy;
using Identity.Server.ComponentPolicy;
using Identity.Tests.Server.ComponentPolicy;
using Spiffe.Net;
using static Identity.Tests.Cli.CliServer;
using static Identity.Tests.Server.ComponentPolicy.TestPolicies;

namespace Identity.Tests.Cli;

/// <summary><c>identity policy check --server</c>: files as if they were applied there, beside who is registered and what runs.</summary>
public sealed class PolicyCheckServerTests : IAsyncLifetime
{
    private const string Store = "{ import: acme:probe/store@1.0.0 }";
    private const string Host = "spiffe://example.org/hosts/local";

    private CliServer _cli = null!;

    public async ValueTask InitializeAsync() => _cli = await CliServer.StartAsync();

    public ValueTask DisposeAsync() => _cli.DisposeAsync();

    [Theory]
    [InlineData("name:probe")]
    [InlineData("digest")]
    public async Task A_component_file_has_the_identity_of_its_entry_at_the_server(string selector)
    {
        var file = _cli.Write("probe.wasm", ProbeComponent.Bytes);
        var policy = _cli.Write("shop.yaml", Permit("shop", $"{{ spiffeId: {Cart}, host: {Host} }}", "start"));
        Assert.Contains("no entry has the digest or the name", (await _cli.RunAsync("policy", "check", policy, "--server", "--component", file)).Error, StringComparison.Ordinal);

        await RegisterAsync(Cart, selector == "digest" ? $"digest:{ComponentDigest.Of(ProbeComponent.Bytes).Text}" : selector);
        var (code, output, error) = await _cli.RunAsync("policy", "check", policy, "--server", "--component", file, "--strict");
        Assert.Equal((ExitCode.Refused, ""), (code, error));
        Assert.Contains($"the component probe ({Cart}) may not import acme:probe/store@1.0.0", output, StringComparison.Ordinal);
        // Its entry names the host, and the grant asks for it.
        Assert.DoesNotContain("may not start", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_component_file_that_entries_give_to_two_is_asked_for()
    {
        await RegisterAsync(Cart, "name:probe");
        await RegisterAsync($"{Shop}/other", "name:probe");
        var (code, _, error) = await _cli.RunAsync("policy", "check", _cli.Write("shop.yaml", Permit("shop")), "--server", "--component", _cli.Write("probe.wasm", ProbeComponent.Bytes));
        Assert.Equal(ExitCode.Usage, code);
        Assert.Contains("entries of 2 identities have wasm:name:probe", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_runs_tells_what_is_granted_in_vain_and_what_would_be_refused()
    {
        await _cli.AppliedAsync(Permit("shop.start", $"{{ spiffeId: {Cart} }}", "start"));
        await RegisterAsync(Cart, "name:cart");
        Run("one", Cart, Host, "acme:probe/store@1.0.0");
        Run("two", Cart, "spiffe://example.org/hosts/other", "acme:probe/store@1.0.0");

        var (_, unused, _) = await _cli.RunAsync("policy", "check", "--server", _cli.Write("shop.yaml", Permit("shop", $"{{ spiffeId: {Cart} }}", Store + ", { import: wasi:io/poll@0.2.0 }")));
        Assert.Contains("rule shop/only grants import wasi:io/poll@0.2.0, which the 2 components it means", unused, StringComparison.Ordinal);
        Assert.DoesNotContain("store@1.0.0, which", unused, StringComparison.Ordinal);
        Assert.DoesNotContain("may not", unused, StringComparison.Ordinal);
        Assert.DoesNotContain("Not checked", unused, StringComparison.Ordinal);

        var (code, refused, _) = await _cli.RunAsync("policy", "check", "--server", "--strict", _cli.Write("guard.yaml", Forbid("guard", $"{{ spiffeId: {Cart} }}", Store)));
        Assert.Equal(ExitCode.Refused, code);
        // On however many hosts it runs it is said once.
        Assert.Single(refused.Split('\n'), line => line.Contains($"the component cart ({Cart}) may not import acme:probe/store@1.0.0", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Files_are_judged_beside_what_is_in_force_and_others_documents_only_by_what_the_files_change()
    {
        // Both by themselves would be warned of: what others wrote is not these files' business, but it counts.
        await _cli.AppliedAsync(Permit("old", "{ spiffeId: spiffe://example.org/nobody }"), Permit("shop.store", $"{{ spiffeId: {Cart} }}", Store));
        await RegisterAsync(Cart, "name:cart");
        Run("one", Cart, Host, "acme:probe/store@1.0.0");
        var (code, output, _) = await _cli.RunAsync("policy", "check", "--server", "--strict", _cli.Write("shop.yaml", Permit("shop", $"{{ spiffeId: {Cart} }}", "start")));
        Assert.True(code == ExitCode.Ok, output);
        Assert.Equal("1 rule, nothing to warn of.\n", output);

        var (_, shadowed, _) = await _cli.RunAsync("policy", "check", "--server", _cli.Write("shop.yaml", Permit("shop", $"{{ spiffeId: {Cart} }}", "start, " + Store)));
        // What these files make of the rules of others is.
        Assert.Contains("rule shop.store/only", shadowed, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_files_what_is_in_force_is_checked()
    {
        await _cli.AppliedAsync(Permit("old", "{ spiffeId: spiffe://example.org/nobody }"), Permit("shop", $"{{ spiffeId: {Cart} }}", Store));
        await RegisterAsync(Cart, "name:cart");
        Run("one", Cart, Host, "acme:probe/store@1.0.0");
        var (code, output, _) = await _cli.RunAsync("policy", "check", "--server", "--strict");
        Assert.Equal(ExitCode.Refused, code);
        Assert.Contains("rule old/only means spiffe://example.org/nobody", output, StringComparison.Ordinal);
        Assert.EndsWith("\n1 warning.\n", output, StringComparison.Ordinal);

        var (usage, _, error) = await _cli.RunAsync("policy", "check");
        Assert.Equal((ExitCode.Usage, "identity: name a file or folder of policies, or check those in force with --server.\n"), (usage, error));
    }

    [Fact]
    public async Task What_an_agent_does_not_tell_is_said_to_be_not_checked()
    {
        await RegisterAsync(Cart, "name:cart");
        Run("one", Cart, Host, null);
        var (_, output, _) = await _cli.RunAsync("policy", "check", "--server", _cli.Write("shop.yaml", Permit("shop", $"{{ spiffeId: {Cart} }}")));
        Assert.Contains("Not checked: 1 component that runs and whose agent does not tell what it imports.", output, StringComparison.Ordinal);
        Assert.Contains("Not checked: whether components import", output, StringComparison.Ordinal);
    }

    private async Task RegisterAsync(string id, string selector)
    {
        var entry = $"kind: RegistrationEntry\nspiffeId: {id}\nparentId: {Host}\nselectors: [\"wasm:{selector}\"]\n";
        Assert.Equal(ExitCode.Ok, (await _cli.RunAsync("apply", "-f", _cli.Write("entry.yaml", entry))).Code);
    }

    private void Run(string agent, string id, string host, params string[]? imports)
    {
        var admission = new ReportedAdmission(agent, SpiffeId.Parse(id), SpiffeId.Parse(host), StagingServer.Digest, "", 1)
        {
            Imports = imports is null ? null : StagingServer.ImportsOf(imports),
            Name = "cart",
        };
        Assert.True(_cli.Server.Live.Open(SpiffeId.Parse($"spiffe://example.org/spire/agent/{agent}")).TryAdd(admission));
    }
}
