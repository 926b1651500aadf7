using System.Diagnostics;
using Identity.V1;

namespace Identity.Tests.WasmHost;

public sealed class ComponentSupervisorTests
{
    private const string Store = "wasmcloud:identity/store@0.0.1";
    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);

    [Fact]
    public async Task Starts_what_is_admitted_and_fetches_tokens_for_that_admission_only()
    {
        await using var agent = await FakeAgent.StartAsync();
        await using var host = HostProcess.Start(agent, ("greeter", Guest.AskingForItsToken()));
        Assert.Equal("ready identity-host id=spiffe://example.org/hosts/local", await host.LineAsync("ready"));
        agent.Admit("greeter", "a-1", Hour, Store);
        Assert.Contains("id=spiffe://example.org/components/greeter decision=d-yes", await host.LineAsync("component name=greeter state=admitted"), StringComparison.Ordinal);
        await host.LineAsync("component name=greeter state=running");
        Assert.Equal("guest name=greeter ok=true said=token-of-a-1", await host.LineAsync("guest"));
        Assert.Equal([("a-1", new string('a', 30))], agent.Tokens);
        Assert.Equal(0, await host.TerminateAsync());
    }

    [Fact]
    public async Task Goes_on_asking_while_what_answers_is_no_agent()
    {
        await using var impostor = await FakeAgent.StartAsync("spiffe://example.org/components/impostor");
        await using var host = HostProcess.Start(impostor, ("greeter", Guest.AskingForItsToken()));
        await host.LineAsync("ready");
        for (var attempt = 0; attempt < 3; attempt++) await host.LoggedAsync("Refused a TLS peer: spiffe://example.org/components/impostor");
        Assert.Equal(0, await host.TerminateAsync());
    }

    [Fact]
    public async Task Says_why_a_component_is_denied_and_starts_it_when_policy_admits_it_later()
    {
        await using var agent = await FakeAgent.StartAsync();
        await using var host = HostProcess.Start(agent, ("snooper", Guest.Content()));
        agent.Say("snooper", new AdmitResponse
        {
            Denied = new Decision
            {
                Id = "d-no",
                Reasons = { new Reason { Capability = "wasi:sockets/tcp@0.2.0", Rule = "demo/io", Explanation = "grants io", SmallestGrant = "a: 1\nb: 2\n" } },
            },
        });
        Assert.Equal(
            """component name=snooper state=denied import=wasi:sockets/tcp@0.2.0 nearest=demo/io why="grants io" grant="a: 1\nb: 2\n" decision=d-no""",
            await host.LineAsync("component"));
        Assert.Empty(host.Workers());
        agent.Admit("snooper", "a-1", Hour);
        await host.LineAsync("component name=snooper state=running");
    }

    [Fact]
    public async Task Ends_the_worker_when_its_admission_ends_and_starts_a_new_one_when_admitted_again()
    {
        await using var agent = await FakeAgent.StartAsync();
        await using var host = HostProcess.Start(agent, ("snooper", Guest.Content()));
        agent.Admit("snooper", "a-1", Hour);
        await host.LineAsync("guest");
        var worker = Assert.Single(host.Workers());
        agent.Say("snooper", new AdmitResponse { Ended = new Ended { Reason = "the grant was removed" } });
        Assert.Equal("component name=snooper state=ended reason=\"the grant was removed\"", await host.LineAsync("component name=snooper state=ended"));
        Assert.False(HostProcess.IsAlive(worker));
        agent.Admit("snooper", "a-2", Hour);
        await host.LineAsync("component name=snooper state=running");
    }

    [Fact]
    public async Task Starts_a_component_again_when_its_worker_is_killed_and_leaves_the_others_alone()
    {
        await using var agent = await FakeAgent.StartAsync();
        await using var host = HostProcess.Start(agent, ("first", Guest.Content()), ("second", Guest.Content()));
        agent.Admit("first", "a-1", Hour);
        await host.LineAsync("guest name=first");
        var first = Assert.Single(host.Workers());
        agent.Admit("second", "a-2", Hour);
        await host.LineAsync("guest name=second");
        var second = Assert.Single(host.Workers(), pid => pid != first);
        using (var process = Process.GetProcessById(first)) process.Kill();
        Assert.Contains("137", await host.LineAsync("component name=first state=restarting"), StringComparison.Ordinal);
        await host.LineAsync("guest name=first");
        Assert.True(HostProcess.IsAlive(second));
        Assert.DoesNotContain(first, host.Workers());
    }

    [Fact]
    public async Task Keeps_running_on_the_lease_while_the_agent_is_away_and_ends_with_it()
    {
        await using var agent = await FakeAgent.StartAsync();
        await using var host = HostProcess.Start(agent, ("greeter", Guest.Content()));
        agent.Admit("greeter", "a-1", Hour);
        await host.LineAsync("guest");
        var worker = Assert.Single(host.Workers());
        // Shortened only now, so that a slow machine does not use it up before there is something to end.
        agent.Admit("greeter", "a-1", TimeSpan.FromSeconds(2));
        agent.HangUp("greeter");
        Assert.Contains("its lease ran out", await host.LineAsync("component name=greeter state=ended"), StringComparison.Ordinal);
        Assert.False(HostProcess.IsAlive(worker));
    }

    [Fact]
    public async Task Keeps_the_instance_when_an_agent_that_was_away_admits_the_same_again()
    {
        await using var agent = await FakeAgent.StartAsync();
        await using var host = HostProcess.Start(agent, ("greeter", Guest.Content()), ("other", Guest.Content()));
        agent.Admit("greeter", "a-1", Hour);
        await host.LineAsync("guest");
        var worker = Assert.Single(host.Workers());
        agent.HangUp("greeter");
        agent.Admit("greeter", "a-2", Hour);
        agent.Say("greeter", new AdmitResponse { Ended = new Ended { Reason = "seen after the renewal" } });
        await host.LineAsync("component name=greeter state=ended reason=\"seen after");
        Assert.False(HostProcess.IsAlive(worker));
    }

    [Fact]
    public async Task Refuses_to_run_when_the_agent_decided_about_other_bytes()
    {
        await using var agent = await FakeAgent.StartAsync();
        await using var host = HostProcess.Start(agent, ("greeter", Guest.Content()));
        agent.Say("greeter", new AdmitResponse { Admitted = new Admitted { AdmissionId = "a-1", Digest = $"sha256:{new string('0', 64)}" } });
        agent.Admit("greeter", "a-2", Hour, Store);
        Assert.Contains("missing [wasmcloud:identity/store@0.0.1] alarm=true".Replace(" alarm", "\" alarm", StringComparison.Ordinal), await host.LineAsync("component name=greeter state=refused"), StringComparison.Ordinal);
        Assert.Empty(host.Workers());
    }

    [Fact]
    public async Task Leaves_no_worker_behind_when_it_is_killed()
    {
        await using var agent = await FakeAgent.StartAsync();
        await using var host = HostProcess.Start(agent, ("greeter", Guest.Content()));
        agent.Admit("greeter", "a-1", Hour);
        await host.LineAsync("guest");
        var worker = Assert.Single(host.Workers());
        host.Kill();
        await HostProcess.GoneAsync(worker);
    }
}
