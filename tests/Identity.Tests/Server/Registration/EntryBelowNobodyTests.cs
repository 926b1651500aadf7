// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using Identity.Tests.Cli;
using Spire.Api.Server.Entry.V1;
using Types = Spire.Api.Types;

namespace Identity.Tests.Server.Registration;

/// <summary>An entry below a parent that nobody is is taken, since the order must not matter, and told of: a name that is misspelt gives nobody an identity.</summary>
public sealed class EntryBelowNobodyTests : IAsyncLifetime
{
    private const string Told = "OK, but no entry and no attested agent is spiffe://example.org/nodes/lcoal: until one is, this entry gives nobody an identity";

    private CliServer _cli = null!;
    private Entry.EntryClient Entries => new(_cli.Server.Admin);

    public async ValueTask InitializeAsync() => _cli = await CliServer.StartAsync();

    public ValueTask DisposeAsync() => _cli.DisposeAsync();

    [Fact]
    public async Task It_is_taken_and_told_of_until_somebody_is_the_parent()
    {
        Assert.Equal(Told, await CreateAsync(Below("/nodes/lcoal", "/a")));
        Assert.Equal(Told, await CreateAsync(Below("/nodes/lcoal", "/b")));
        Assert.Equal("OK", await CreateAsync(Below("/a", "/c")));
        Assert.Equal("OK", await CreateAsync(Below("/spire/server", "/nodes/lcoal")));
        Assert.Equal("OK", await CreateAsync(Below("/nodes/lcoal", "/d")));
    }

    [Fact]
    public async Task In_one_batch_the_order_does_not_matter()
    {
        var answer = await Entries.BatchCreateEntryAsync(new() { Entries = { Below("/nodes/lcoal", "/a"), Below("/spire/server", "/nodes/lcoal"), Below("/nowhere", "/b") } });
        Assert.Equal([true, true, false], answer.Results.Select(result => result.Status.Message == "OK"));
        Assert.All(answer.Results, result => Assert.Equal(0, result.Status.Code));
    }

    [Fact]
    public async Task The_alias_of_a_node_that_has_yet_to_come_is_no_mistake_and_an_agent_is_somebody()
    {
        await _cli.Server.CreateTokenAsync("/nodes/local");
        Assert.Equal("OK", await CreateAsync(Below("/nodes/local", "/a")));
        Assert.Equal("", (await _cli.RunAsync("entry", "list")).Error);
        var agent = await _cli.Server.AttestAsync(alias: null);
        Assert.Equal("OK", await CreateAsync(Below(agent.Id.Path, "/b")));
        Assert.Equal("", (await _cli.RunAsync("entry", "list")).Error);
    }

    [Fact]
    public async Task An_update_is_told_of_as_well()
    {
        await CreateAsync(Below("/spire/server", "/nodes/local"));
        var created = (await Entries.BatchCreateEntryAsync(new() { Entries = { Below("/nodes/local", "/a") } })).Results[0].Entry;
        created.ParentId.Path = "/nodes/lcoal";
        Assert.Equal(Told, (await Entries.BatchUpdateEntryAsync(new() { Entries = { created } })).Results[0].Status.Message);
    }

    [Fact]
    public async Task The_command_line_shows_it_when_it_applies_and_lists()
    {
        string Document(string parent, string id) => $"kind: RegistrationEntry\nspiffeId: spiffe://example.org{id}\nparentId: spiffe://example.org{parent}\nselectors: [\"unix:uid:1\"]\n";
        var file = _cli.Write("entries.yaml", string.Join("---\n", Document("/nodes/lcoal", "/a"), Document("/nodes/lcoal", "/b"), Document("/a", "/c")));
        var (code, output, _) = await _cli.RunAsync("apply", "-f", file);
        Assert.Equal(0, code);
        Assert.Contains("note: spiffe://example.org/a: no entry and no attested agent is spiffe://example.org/nodes/lcoal: until one is, this entry gives nobody an identity\n", output, StringComparison.Ordinal);
        Assert.DoesNotContain("note: spiffe://example.org/c", output, StringComparison.Ordinal);
        var (_, table, error) = await _cli.RunAsync("entry", "list");
        Assert.Contains("spiffe://example.org/nodes/lcoal", table, StringComparison.Ordinal);
        Assert.Equal("identity: no entry and no attested agent is spiffe://example.org/nodes/lcoal; until one is, 2 entries below it give nobody an identity\n", error);
    }

    private async Task<string> CreateAsync(Types.Entry entry) => (await Entries.BatchCreateEntryAsync(new() { Entries = { entry } })).Results[0].Status.Message;

    private static Types.Entry Below(string parent, string id) => new()
    {
        SpiffeId = new Types.SPIFFEID { TrustDomain = "example.org", Path = id },
        ParentId = new Types.SPIFFEID { TrustDomain = "example.org", Path = parent },
        Selectors = { new Types.Selector { Type = "unix", Value = "uid:1" } },
    };
}
