// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using Identity.Server.Registration;
using Spire.Api.Server.Agent.V1;
using Spire.Api.Server.Entry.V1;
using Spire.Api.Types;
using AgentClient = Spire.Api.Server.Agent.V1.Agent.AgentClient;
using EntryClient = Spire.Api.Server.Entry.V1.Entry.EntryClient;
using EntryMessage = Spire.Api.Types.Entry;

namespace Identity.Tests.Server.Registration;

/// <summary>Looked up again only when something has changed that the answer rests on.</summary>
public sealed class AgentEntriesTests : IAsyncLifetime
{
    private RegistryServer _server = null!;
    private TestAgent _agent = null!;

    private AgentEntries Entries => _server.Service<AgentEntries>();

    public async ValueTask InitializeAsync()
    {
        _server = await RegistryServer.StartAsync();
        _agent = await _server.AttestAsync(alias: null);
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task The_same_answer_is_not_looked_up_again_whatever_else_happens()
    {
        var id = await CreateAsync(Below("/hosts/local"));
        var first = Entries.Of(_agent.Id);
        Assert.Equal([id], first.Keys);

        var other = await _server.CreateTokenAsync(alias: null);
        Assert.Same(first, Entries.Of(_agent.Id));
        using var key = System.Security.Cryptography.ECDsa.Create(System.Security.Cryptography.ECCurve.NamedCurves.nistP256);
        await _server.AttestAsync(other, key);
        Assert.Same(first, Entries.Of(_agent.Id));
    }

    [Fact]
    public async Task A_change_of_entries_is_seen_at_once()
    {
        var id = await CreateAsync(Below("/hosts/local"));
        Assert.Equal([id], Entries.Of(_agent.Id).Keys);
        var more = await CreateAsync(Below("/more"));
        Assert.Equal(new[] { id, more }.Order(StringComparer.Ordinal), Entries.Of(_agent.Id).Keys.Order(StringComparer.Ordinal));
        await new EntryClient(_server.Admin).BatchDeleteEntryAsync(new BatchDeleteEntryRequest { Ids = { id } });
        Assert.Equal([more], Entries.Of(_agent.Id).Keys);
    }

    [Fact]
    public async Task An_entry_that_ends_is_gone_although_nothing_was_written()
    {
        var entry = Below("/hosts/local");
        entry.ExpiresAt = _server.Time.GetUtcNow().AddMinutes(2).ToUnixTimeSeconds();
        await CreateAsync(entry);
        var stays = await CreateAsync(Below("/more"));
        Assert.Equal(2, Entries.Of(_agent.Id).Count);

        _server.Time.Shift = TimeSpan.FromMinutes(2);
        Assert.Equal([stays], Entries.Of(_agent.Id).Keys);
        _server.Time.Shift = TimeSpan.Zero;
        Assert.Equal(2, Entries.Of(_agent.Id).Count);
    }

    [Fact]
    public async Task What_is_below_a_node_alias_ends_with_the_alias_although_nothing_was_written()
    {
        var alias = TestEntries.Entry("/nodes/all", "/spire/server", $"spiffe_id:{_agent.Id}");
        alias.ExpiresAt = _server.Time.GetUtcNow().AddMinutes(2).ToUnixTimeSeconds();
        await CreateAsync(alias);
        await CreateAsync(TestEntries.Entry("/below", "/nodes/all", "unix:uid:1000"));
        Assert.Single(Entries.Of(_agent.Id));
        var view = Identity.Server.ComponentPolicy.AgentView.Of(_server.Ledger.State, _agent.Id, _server.Time.GetUtcNow());
        Assert.Equal(alias.ExpiresAt, view.ChangesAt?.ToUnixTimeSeconds());

        _server.Time.Shift = TimeSpan.FromMinutes(2);
        Assert.Empty(Entries.Of(_agent.Id));
    }

    [Fact]
    public async Task Who_is_banned_or_deleted_has_none()
    {
        await CreateAsync(Below("/hosts/local"));
        Assert.NotEmpty(Entries.Of(_agent.Id));
        await new AgentClient(_server.Admin).BanAgentAsync(new BanAgentRequest { Id = new SPIFFEID { TrustDomain = "example.org", Path = _agent.Id.Path } });
        Assert.Empty(Entries.Of(_agent.Id));
        await new AgentClient(_server.Admin).DeleteAgentAsync(new DeleteAgentRequest { Id = new SPIFFEID { TrustDomain = "example.org", Path = _agent.Id.Path } });
        Assert.Empty(Entries.Of(_agent.Id));
    }

    private EntryMessage Below(string path) => TestEntries.Entry(path, _agent.Id.Path, "unix:uid:1000");

    private async Task<string> CreateAsync(EntryMessage entry) =>
        (await new EntryClient(_server.Admin).BatchCreateEntryAsync(new BatchCreateEntryRequest { Entries = { entry } })).Results[0].Entry.Id;
}
