// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using System.Text.Json;
using Identity.Cli;
using Identity.Cli.Commands.Policy;
using Identity.Policy;
using Identity.Policy.Analysis;
using Spiffe.Net;
using static Identity.Tests.Cli.CliServer;
using static Identity.Tests.Server.ComponentPolicy.TestPolicies;
using Principal = Identity.Policy.Principal;

namespace Identity.Tests.Cli;

/// <summary><c>identity policy diff</c>: what one policy allows that another does not, and whom that concerns.</summary>
public sealed class PolicyDiffCommandTests : IAsyncLifetime
{
    private CliServer _cli = null!;

    public async ValueTask InitializeAsync() => _cli = await CliServer.StartAsync();

    public ValueTask DisposeAsync() => _cli.DisposeAsync();

    [Fact]
    public async Task Diff_compares_two_revisions_exactly()
    {
        var before = await _cli.AppliedAsync(Permit("shop", capability: Narrow));
        var after = await _cli.AppliedAsync(Permit("shop", capability: Wide));

        var (code, output, _) = await _cli.RunAsync("policy", "diff", $"{before}", $"{after}");
        Assert.Equal(ExitCode.Ok, code);
        Assert.StartsWith("+ ", output, StringComparison.Ordinal);
        Assert.Contains("orders.>", output, StringComparison.Ordinal);
        Assert.Contains("1 gained, 0 lost.", output, StringComparison.Ordinal);

        Assert.Contains("0 gained, 1 lost.", (await _cli.RunAsync("policy", "diff", $"{after}", $"{before}")).Output, StringComparison.Ordinal);
        Assert.Equal("Both allow the same, to everybody, now and later.\n", (await _cli.RunAsync("policy", "diff", $"{after}", $"{after}")).Output);
        Assert.Equal(ExitCode.Refused, (await _cli.RunAsync("policy", "diff", $"{before}", $"{after}", "--fail-on", "gained")).Code);
        Assert.Equal(ExitCode.Ok, (await _cli.RunAsync("policy", "diff", $"{after}", $"{before}", "--fail-on", "gained")).Code);
        Assert.Equal(ExitCode.Refused, (await _cli.RunAsync("policy", "diff", $"{after}", $"{before}", "--fail-on", "any")).Code);
    }

    [Fact]
    public async Task Diff_of_revisions_agrees_with_what_the_server_itself_says()
    {
        var before = await _cli.AppliedAsync(Permit("shop", capability: Narrow));
        var after = await _cli.AppliedAsync(Permit("shop", capability: Wide), Forbid("guard", capability: "{ natsPublish: orders.secret }"));
        var said = await _cli.Policies.Client.DiffRevisionsAsync(new() { FromRevision = before, ToRevision = after });
        using var json = JsonDocument.Parse((await _cli.RunAsync("policy", "diff", $"{before}", $"{after}", "-o", "json")).Output);
        Assert.Equal(said.Gained.Count(line => !line.StartsWith("no longer forbidden", StringComparison.Ordinal)), json.RootElement.GetProperty("gained").GetArrayLength());
        Assert.Equal(said.Lost.Count, json.RootElement.GetProperty("lost").GetArrayLength());
        Assert.False(json.RootElement.GetProperty("equal").GetBoolean());
    }

    [Fact]
    public async Task Diff_compares_a_revision_with_documents_either_way_round()
    {
        var before = await _cli.AppliedAsync(Permit("shop", capability: Narrow));
        var file = _cli.Write("shop.yaml", Permit("shop", capability: Wide));
        Assert.Contains("1 gained, 0 lost.", (await _cli.RunAsync("policy", "diff", $"{before}", file)).Output, StringComparison.Ordinal);
        Assert.Contains("0 gained, 1 lost.", (await _cli.RunAsync("policy", "diff", file, $"{before}")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Diff_with_the_server_says_what_applying_would_change_and_whom_it_concerns()
    {
        await _cli.AppliedAsync(Permit("shop", capability: Narrow));
        await _cli.AppliedAsync(Permit("other", "{ spiffeId: spiffe://example.org/other }"));
        await ComponentAsync("cart", "local");

        var (code, output, _) = await _cli.RunAsync("policy", "diff", "--server", _cli.Write("shop.yaml", Permit("shop", capability: Wide)));

        Assert.Equal(ExitCode.Ok, code);
        Assert.Contains($"registered: {Cart}", output, StringComparison.Ordinal);
        Assert.Contains("1 gained, 0 lost.", output, StringComparison.Ordinal);
        Assert.Contains("Of 1 registered identity 1 may do more and 0 less.", output, StringComparison.Ordinal);
        Assert.Equal("Both allow the same, to everybody, now and later.\n", (await _cli.RunAsync("policy", "diff", "--server", _cli.Write("same.yaml", Permit("shop", capability: Narrow)))).Output);
        Assert.Equal(2, _cli.Server.Ledger.State.Policies.Count);
    }

    [Fact]
    public async Task Diff_tells_what_a_permit_takes_from_a_login_and_from_whom()
    {
        await _cli.AppliedAsync(Permit("star", capability: "{ natsSubscribe: orders.* }"));
        await ComponentAsync("cart", "local");
        var file = _cli.Write("below.yaml", Permit("below", capability: "{ natsSubscribe: orders.new.items }"));

        var (code, output, _) = await _cli.RunAsync("policy", "diff", "--server", file, "--fail-on", "any");
        Assert.Equal(ExitCode.Refused, code);
        Assert.Contains($"- {Shop}/…\n    NATS login: subscribe orders.*\n      by below/only\n", output, StringComparison.Ordinal);
        Assert.Contains("1 gained, 1 lost.", output, StringComparison.Ordinal);
        Assert.Contains("Of 1 registered identity 1 may do more and 1 less.", output, StringComparison.Ordinal);

        using var json = JsonDocument.Parse((await _cli.RunAsync("policy", "diff", "--server", file, "-o", "json")).Output);
        var lost = json.RootElement.GetProperty("lost")[0];
        Assert.Equal(("login", "subscribe orders.*", Cart), (lost.GetProperty("kind").GetString(), lost.GetProperty("subjects")[0].GetString(), lost.GetProperty("registered")[0].GetString()));
    }

    [Theory]
    [InlineData(ExitCode.Usage, "revision 4000 is not there yet", "4000", "1")]
    [InlineData(ExitCode.Usage, "no file or folder 'x.yaml'", "1", "x.yaml")]
    [InlineData(ExitCode.Usage, "no file or folder '-1'", "-1", "1")]
    [InlineData(ExitCode.Usage, "two files, folders or revisions", "1")]
    [InlineData(ExitCode.Usage, "two files, folders or revisions", "1", "1", "1")]
    [InlineData(ExitCode.Usage, "no file or folder '0'", "0", "1")]
    public async Task Diff_says_what_it_cannot_compare(int expected, string problem, params string[] named)
    {
        await _cli.AppliedAsync(Permit("shop"));
        var (code, _, error) = await _cli.RunAsync(["policy", "diff", "--", .. named]);
        Assert.Equal(expected, code);
        Assert.Contains(problem, error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Diff_with_the_server_counts_a_component_whose_grant_asks_for_its_host()
    {
        string OnHosts(string capability) => Permit("shop", $"{{ spiffeId: {Cart}, hostPrefix: spiffe://example.org/hosts }}", capability);
        await _cli.AppliedAsync(OnHosts(Wide));
        await ComponentAsync("cart", "local");
        Assert.Contains("0 may do more and 1 less.", (await _cli.RunAsync("policy", "diff", "--server", _cli.Write("shop.yaml", OnHosts(Narrow)))).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Diff_counts_apart_whom_it_concerns_only_with_what_entries_do_not_tell()
    {
        await ComponentAsync("cart", "local");
        var file = _cli.Write("shop.yaml", Permit("shop", $"{{ spiffeIdPrefix: {Shop}, imagePrefix: ghcr.io/shop, namespace: shop }}"));

        var (_, output, _) = await _cli.RunAsync("policy", "diff", "--server", file);
        Assert.Contains("Of 1 registered identity 0 may do more and 0 less.", output, StringComparison.Ordinal);
        Assert.Contains("Depending on image and namespace, which entries do not tell, 1 more may gain something and 0 lose something.", output, StringComparison.Ordinal);
        Assert.Contains($"depending on image and namespace: {Cart}", output, StringComparison.Ordinal);

        using var json = JsonDocument.Parse((await _cli.RunAsync("policy", "diff", "--server", file, "-o", "json")).Output);
        var gained = json.RootElement.GetProperty("gained")[0];
        Assert.Equal((0, Cart, "image and namespace"), (gained.GetProperty("registered").GetArrayLength(), gained.GetProperty("depending")[0].GetString(), gained.GetProperty("dependingOn").GetString()));
    }

    [Fact]
    public async Task Diff_counts_an_identity_once_on_however_many_hosts_it_runs()
    {
        await ComponentAsync("cart", "one");
        await ComponentAsync("cart", "two");
        var (_, output, _) = await _cli.RunAsync("policy", "diff", "--server", _cli.Write("shop.yaml", Permit("shop")));
        Assert.Contains("Of 1 registered identity 1 may do more and 0 less.", output, StringComparison.Ordinal);
        Assert.DoesNotContain("Depending", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Diff_knows_that_a_process_has_no_image_and_no_digest()
    {
        var entry = _cli.Write("entry.yaml", $"kind: RegistrationEntry\nspiffeId: {Cart}\nparentId: spiffe://example.org/nodes/local\nselectors: [unix:uid:1000]\n");
        Assert.Equal(ExitCode.Ok, (await _cli.RunAsync("apply", "-f", entry)).Code);
        var (_, output, _) = await _cli.RunAsync("policy", "diff", "--server", _cli.Write("shop.yaml", Permit("shop", $"{{ spiffeIdPrefix: {Shop}, imagePrefix: ghcr.io/shop }}")));
        Assert.Contains("Of 1 registered identity 0 may do more and 0 less.", output, StringComparison.Ordinal);
        Assert.DoesNotContain("Depending", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Diff_counts_whom_ceilings_concern()
    {
        await _cli.AppliedAsync(Capped("16MiB"));
        await ComponentAsync("cart", "local");
        var file = _cli.Write("shop.yaml", Capped("32MiB"));
        var (_, output, _) = await _cli.RunAsync("policy", "diff", "--server", file);
        Assert.Contains("with more memory 16MiB → 32MiB", output, StringComparison.Ordinal);
        Assert.Contains($"registered: {Cart}", output, StringComparison.Ordinal);
        Assert.Contains("Of 1 registered identity 0 may do more and 0 less; 1 may consume more and 0 less.", output, StringComparison.Ordinal);

        using var json = JsonDocument.Parse((await _cli.RunAsync("policy", "diff", "--server", file, "-o", "json")).Output);
        Assert.Equal(("ceiling", Cart), (json.RootElement.GetProperty("gained")[0].GetProperty("kind").GetString(), json.RootElement.GetProperty("gained")[0].GetProperty("registered")[0].GetString()));
    }

    [Fact]
    public async Task Diff_counts_apart_whom_a_ceiling_concerns_only_with_what_entries_do_not_tell()
    {
        const string FromShop = $"{{ spiffeIdPrefix: {Shop}, imagePrefix: ghcr.io/shop }}";
        await _cli.AppliedAsync(Capped("16MiB", FromShop));
        await ComponentAsync("cart", "local");
        var (_, output, _) = await _cli.RunAsync("policy", "diff", "--server", _cli.Write("shop.yaml", Capped("32MiB", FromShop)));
        Assert.Contains("0 may do more and 0 less; 0 may consume more and 0 less.", output, StringComparison.Ordinal);
        Assert.Contains("Depending on image, which entries do not tell, 1 more may gain something and 0 lose something.", output, StringComparison.Ordinal);
        Assert.Contains($"depending on image: {Cart}", output, StringComparison.Ordinal);
    }

    [Fact]
    public void What_could_not_be_decided_may_concern_everybody_it_may_mean()
    {
        CapabilityPolicy Of(string document) => CapabilityPolicy.FromSources([document], 1);
        var diff = PolicyDiff.Between(Of(Permit("shop", capability: Narrow)), Of(Permit("shop", capability: Wide)), DateTimeOffset.UnixEpoch, work: 0);
        Assert.False(diff.IsComplete);
        var impact = new RegisteredImpact(diff, [Principal.Process(SpiffeId.Parse(Cart)), Principal.Process(SpiffeId.Parse("spiffe://example.org/other"))]);
        Assert.Contains("What could not be decided may concern 1 of them.", impact.Summary());
        Assert.Equal([Cart], impact.Depending(diff.Gained[0]).Ids);
        Assert.Empty(impact.Concerned(diff.Gained[0]));
    }

    private static string Capped(string memory, string? subject = null) =>
        (subject is null ? Permit("shop") : Permit("shop", subject)).Replace("capabilities:", $"ceilings: {{ memory: {memory} }}, capabilities:", StringComparison.Ordinal);

    private async Task ComponentAsync(string name, string host)
    {
        var entry = _cli.Write($"{name}-{host}.yaml", $"kind: RegistrationEntry\nspiffeId: {Shop}/{name}\nparentId: spiffe://example.org/hosts/{host}\nselectors: [wasm:name:{name}]\n");
        Assert.Equal(ExitCode.Ok, (await _cli.RunAsync("apply", "-f", entry)).Code);
    }
}
