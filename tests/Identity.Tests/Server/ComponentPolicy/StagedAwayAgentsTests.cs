// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using Identity.Server.ComponentPolicy;
using Identity.V1;
using Spiffe.Net;
using static Identity.Tests.Server.ComponentPolicy.StagingServer;
using static Identity.Tests.Server.ComponentPolicy.TestPolicies;
using LiveAdmissions = Identity.Server.ComponentPolicy.LiveAdmissions;

namespace Identity.Tests.Server.ComponentPolicy;

/// <summary>A node that is cut off goes on with what it was told, and nobody hears what runs there: a change that takes something waits for it.</summary>
public sealed class StagedAwayAgentsTests : IAsyncLifetime
{
    private const string Sockets = "{ import: wasi:sockets/tcp@0.2.0 }";

    private StagingServer _staging = null!;
    private SpiffeId _agent = null!;

    public async ValueTask InitializeAsync()
    {
        _staging = await StagingServer.StartAsync(Permit("shop", capability: $"start, {Sockets}"));
        _agent = (await _staging.Server.AttestAsync(alias: null)).Id;
        // Those of another node, which has no component, are not waited for.
        await _staging.Server.AttestAsync(alias: null);
        await _staging.RegisterAsync("host", Host, _agent, "unix:uid:1000");
    }

    public ValueTask DisposeAsync() => _staging.DisposeAsync();

    [Fact]
    public async Task Waits_for_an_agent_that_is_cut_off_names_it_and_stops_when_it_is_back_with_what_would_be_denied()
    {
        await RegisterComponentAsync();
        _staging.Server.Time.Passed = LiveAdmissions.Grace;
        using (var session = _staging.Server.Live.Open(_agent))
        {
            session.Replace([]);
            Assert.True(session.TryAdd(Admission()));
        }

        await UntilAsync(() => Task.FromResult(_staging.Server.Live.Count == 0));
        var staged = await StageAsync();
        await WaitsAsync(staged);
        Back();
        Assert.Equal("halted", (await _staging.EndOfAsync(staged)).State);
    }

    [Fact]
    public async Task Waits_after_a_restart_for_an_agent_that_is_not_back()
    {
        await RegisterComponentAsync();
        _staging.Server.Live.Open(_agent).Replace([]);
        await _staging.Server.RestartAsync();
        var staged = await StageAsync();
        await WaitsAsync(staged);
        Back();
        Assert.Equal("halted", (await _staging.EndOfAsync(staged)).State);
    }

    [Fact]
    public async Task Goes_on_when_the_agent_is_back_and_nothing_that_it_runs_would_be_denied()
    {
        await RegisterComponentAsync();
        var staged = await StageAsync();
        await WaitsAsync(staged);
        var session = _staging.Server.Live.Open(_agent);
        await _staging.Admin.ApplyAsync(Permit("other", "{ spiffeId: spiffe://example.org/somebody }"));
        await WaitsAsync(staged);
        session.Replace([]);
        Assert.Equal("in force", (await _staging.EndOfAsync(staged)).State);
    }

    [Fact]
    public async Task Goes_on_when_all_that_the_agent_was_told_is_stale()
    {
        await RegisterComponentAsync();
        var staged = await StageAsync();
        await WaitsAsync(staged);
        _staging.Server.Time.Shift = SnapshotComposer.Freshness;
        await _staging.Admin.ApplyAsync(Permit("other", "{ spiffeId: spiffe://example.org/somebody }"));
        Assert.Equal("in force", (await _staging.EndOfAsync(staged)).State);
    }

    [Fact]
    public async Task Goes_on_when_the_agent_is_banned()
    {
        await RegisterComponentAsync();
        var staged = await StageAsync();
        await WaitsAsync(staged);
        var banned = _staging.Server.Ledger.State.Agents[_agent.ToString()].Clone();
        banned.Banned = true;
        await _staging.AppendAsync(new Identity.Ledger.V1.Change { AgentSet = banned });
        Assert.Equal("in force", (await _staging.EndOfAsync(staged)).State);
    }

    [Fact]
    public async Task Waits_for_no_agent_below_which_there_is_no_component_and_for_none_when_it_takes_nothing()
    {
        Assert.Equal("in force", (await _staging.EndOfAsync(await StageAsync())).State);
        await RegisterComponentAsync();
        Assert.Equal("in force", (await _staging.EndOfAsync(await _staging.StageAsync([Permit("more", capability: "{ import: wasi:io/poll@0.2.0 }")], through: ["enforce"]))).State);
    }

    private static ReportedAdmission Admission() => new("a", Cart, Host, Digest, "", 1) { Imports = ImportsOf("wasi:sockets/tcp@0.2.0") };

    private void Back() => _staging.Server.Live.Open(_agent).Replace([Admission()]);

    private Task RegisterComponentAsync() => _staging.RegisterAsync("cart", Cart, Host, "wasm:name:cart");

    private Task<StagedChange> StageAsync() => _staging.StageAsync([Forbid("no-sockets", capability: Sockets)], soak: 1, through: ["enforce"]);

    private async Task WaitsAsync(StagedChange staged)
    {
        await UntilAsync(async () => (await _staging.FindAsync(staged.Id)).Explanation.Length > 0);
        var shown = await _staging.FindAsync(staged.Id);
        Assert.Equal("soaking", shown.State);
        Assert.Contains($"waits for an agent that is away and may run components ({_agent})", shown.Explanation, StringComparison.Ordinal);
    }
}
