// Waits have a deadline of their own (NextAsync), and the agent's end cancels every call.
#pragma warning disable xUnit1051

using Grpc.Core;
using Identity.Policy;
using Identity.Testing.Components;
using Spiffe.Net;
using static Identity.Tests.Agent.AdmissionCalls;
using static Identity.Tests.Agent.AgentTestExtensions;
using static Identity.Tests.Agent.RunningAgent;
using static Identity.V1.AdmitResponse;

namespace Identity.Tests.Agent;

/// <summary>When a component may start, for how long, and who hears of its end.</summary>
public sealed class AdmissionServiceTests
{
    private readonly WatchedClock _time = new(new DateTimeOffset(2026, 11, 22, 12, 0, 0, TimeSpan.Zero));

    [Fact]
    public async Task Admits_on_a_grant_ends_when_it_goes_and_admits_again_when_it_returns()
    {
        await using var node = await AdmittingNode.StartAsync(_time, plane => plane.Traceparent = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01");
        var (plane, _) = node;
        using var call = await node.AdmitAsync(Component(Messaging, Sockets));

        var denied = await call.ResponseStream.NextAsync();
        Assert.Equal(EventOneofCase.Denied, denied.EventCase);
        Assert.Contains(denied.Denied.Reasons, r => r.Capability == Sockets && r.SmallestGrant.Length > 0);

        plane.Policies.Add(Grant(Messaging, Sockets));
        plane.Push();
        var admitted = await call.ResponseStream.NextAsync();
        Assert.Equal(EventOneofCase.Admitted, admitted.EventCase);
        Assert.Equal(Greeter, admitted.Admitted.SpiffeId);
        Assert.Equal([Messaging, Sockets], admitted.Admitted.Imports);
        Assert.StartsWith("00-0123456789abcdef0123456789abcdef-", admitted.Traceparent, StringComparison.Ordinal);
        Assert.Equal(_time.GetUtcNow().AddHours(1), admitted.Admitted.ExpiresAt.ToDateTimeOffset());
        var told = await plane.NextReportAsync(V1.AgentReport.ReportOneofCase.Admitted);
        Assert.Equal(admitted.Admitted.AdmissionId, told.Admitted.AdmissionId);
        Assert.Equal(Host.ToString(), told.Admitted.HostSpiffeId);

        plane.Policies.Clear();
        plane.Push();
        var ended = await call.ResponseStream.NextAsync();
        Assert.Equal(EventOneofCase.Ended, ended.EventCase);
        Assert.False(ended.Ended.Decision.Allowed);
        Assert.Equal(admitted.Admitted.AdmissionId, (await plane.NextReportAsync(V1.AgentReport.ReportOneofCase.Ended)).Ended.AdmissionId);

        plane.Policies.Add(Grant(Messaging, Sockets));
        plane.Push();
        var anew = await call.ResponseStream.NextAsync();
        Assert.NotEqual(admitted.Admitted.AdmissionId, anew.Admitted.AdmissionId);
    }

    [Fact]
    public async Task Ends_and_admits_anew_when_grants_change_and_ends_when_the_entry_goes()
    {
        await using var node = await AdmittingNode.StartAsync(_time, Grant(Messaging));
        var (plane, _) = node;
        using var call = await node.AdmitAsync(Component(Messaging));
        var first = (await call.ResponseStream.NextAsync()).Admitted;
        Assert.Empty(first.Nats.Publish);

        plane.Policies[0] = Grant(Messaging) + "      - natsPublish: greetings.hello\n";
        plane.Push();
        Assert.Equal(EventOneofCase.Ended, (await call.ResponseStream.NextAsync()).EventCase);
        var second = (await call.ResponseStream.NextAsync()).Admitted;
        Assert.Equal(["greetings.hello"], second.Nats.Publish);
        Assert.NotEqual(first.AdmissionId, second.AdmissionId);

        plane.Entries.RemoveAll(e => e.Id == "component");
        plane.Push();
        var ended = (await call.ResponseStream.NextAsync()).Ended;
        Assert.Contains("no registration entry", ended.Reason, StringComparison.Ordinal);
        Assert.Contains("wasm:digest:sha256:", ended.Decision.Reasons[0].SmallestGrant, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_lease_outlives_the_server_until_it_is_no_longer_fresh_and_comes_back_with_it()
    {
        await using var node = await AdmittingNode.StartAsync(_time, plane =>
        {
            plane.Freshness = TimeSpan.FromMinutes(30);
            plane.Policies.Add(Grant(Messaging));
        });
        var (plane, _) = node;
        using var call = await node.AdmitAsync(Component(Messaging));
        var admitted = (await call.ResponseStream.NextAsync()).Admitted;
        Assert.Equal(_time.GetUtcNow().AddMinutes(30), admitted.ExpiresAt.ToDateTimeOffset());

        var port = plane.Port;
        await plane.StopAsync();
        var next = call.ResponseStream.NextAsync();
        await _time.AwaitedAsync(_time.Start.AddMinutes(15)); // Half of the lease, to look whether it can be extended.
        _time.Advance(TimeSpan.FromMinutes(29));
        await _time.AwaitedAsync(_time.Start.AddMinutes(30)); // It has looked, and the lease goes on to its end.
        Assert.False(next.IsCompleted);
        _time.Advance(TimeSpan.FromMinutes(1));
        Assert.Contains("the server is away", (await next).Ended.Reason, StringComparison.Ordinal);

        await plane.StartAsync(port);
        var again = call.ResponseStream.NextAsync();
        await _time.MoveOnUntilAsync(again, steps: TimeSpan.FromSeconds(13)); // As the back-off does.
        Assert.Equal(EventOneofCase.Admitted, (await again).EventCase);
    }

    [Fact]
    public async Task A_restart_while_the_server_is_away_still_decides()
    {
        await using var plane = PlaneWithHost(_time);
        plane.Policies.Add(Grant(Messaging));
        await plane.StartAsync();
        var options = OptionsFor(plane, NewFolder());
        await using (await StartAsync(plane, options)) { }

        await plane.StopAsync();
        await using var agent = await StartAsync(plane, options);
        using var admitted = await AdmitAsync(agent, plane, "greeter", Component(Messaging));
        Assert.Equal(EventOneofCase.Admitted, (await admitted.ResponseStream.NextAsync()).EventCase);
        using var denied = await AdmitAsync(agent, plane, "greeter", Component(Messaging, Sockets));
        Assert.Equal(EventOneofCase.Denied, (await denied.ResponseStream.NextAsync()).EventCase);
    }

    [Fact]
    public async Task Extends_the_lease_under_the_same_admission()
    {
        await using var node = await AdmittingNode.StartAsync(_time, Grant(Messaging));
        using var call = await node.AdmitAsync(Component(Messaging));
        var first = (await call.ResponseStream.NextAsync()).Admitted;

        var next = call.ResponseStream.NextAsync();
        await _time.AwaitedAsync(_time.Start.AddMinutes(30));
        _time.Advance(TimeSpan.FromMinutes(30));
        var second = (await next).Admitted;
        Assert.Equal(first.AdmissionId, second.AdmissionId);
        Assert.True(second.ExpiresAt.ToDateTimeOffset() > first.ExpiresAt.ToDateTimeOffset());
    }

    [Fact]
    public async Task Refuses_clients_that_are_not_hosts_of_this_node()
    {
        await using var node = await AdmittingNode.StartAsync(_time);
        var (plane, agent) = node;
        await using var foreign = new FakeControlPlane(_time);

        var stranger = new V1.Admission.AdmissionClient(agent.BrokerChannel(plane.SvidOf(SpiffeId.Parse("spiffe://example.org/hosts/unknown"))));
        await RefusedAsync(StatusCode.PermissionDenied, () => stranger.Admit(BrokerHeader).ResponseStream.NextAsync());

        // No certificate, or one of an authority that is not ours: no connection.
        await RefusedByTlsAsync(agent, null);
        await RefusedByTlsAsync(agent, foreign.SvidOf(Host));
    }

    [Fact]
    public async Task Refuses_what_is_not_a_component_or_not_what_was_announced()
    {
        await using var node = await AdmittingNode.StartAsync(_time);
        var (plane, agent) = node;
        var client = new V1.Admission.AdmissionClient(agent.BrokerChannel(plane.SvidOf(Host)));
        var component = Component(Messaging);

        await AssertInvalidAsync(client, Header("greeter", 4), Chunk([1, 2, 3, 4]));
        await AssertInvalidAsync(client, Header("greeter", (ulong)ComponentReader.MaxComponentSize + 1));
        await AssertInvalidAsync(client, Header("greeter", 0));
        await AssertInvalidAsync(client, Header("Greeter!", component.Length), Chunk(component));
        await AssertInvalidAsync(client, Header("greeter", component.Length + 1), Chunk(component));
        await AssertInvalidAsync(client, Header("greeter", component.Length - 1), Chunk(component));
        await AssertInvalidAsync(client, Header("greeter", component.Length), Header("greeter", component.Length));
        await AssertInvalidAsync(client, Header("greeter", 300_000), Chunk(new byte[300_000]));
        await AssertInvalidAsync(client, Chunk(component));
    }

    [Fact]
    public async Task A_component_that_asks_for_too_much_is_refused_in_few_enough_words_for_one_message()
    {
        await using var node = await AdmittingNode.StartAsync(_time);
        var (plane, _) = node;
        var greedy = new ComponentWriter().Instances([.. Enumerable.Range(0, 1000).Select(i => $"hostile:package/{new string('x', 200)}-x{i}@1.0.0")]).ToArray();
        using var call = await node.AdmitAsync(greedy);
        var denied = (await call.ResponseStream.NextAsync()).Denied;
        Assert.Contains("(and 999 more)", denied.Summary, StringComparison.Ordinal);
        Assert.InRange(denied.CalculateSize(), 1, 1 << 20);

        // The report of it reaches the server too, and what comes after it.
        Assert.Equal(denied.Id, (await plane.NextReportAsync(V1.AgentReport.ReportOneofCase.Decision)).Decision.Id);
        using var next = await node.AdmitAsync(Component(Messaging));
        var second = (await next.ResponseStream.NextAsync()).Denied;
        Assert.Equal(second.Id, (await plane.NextReportAsync(V1.AgentReport.ReportOneofCase.Decision)).Decision.Id);
    }

    [Fact]
    public async Task What_a_host_would_call_must_be_granted_and_the_refusal_names_all_that_is_missing()
    {
        await using var node = await AdmittingNode.StartAsync(_time);
        var (plane, _) = node;
        var component = new ComponentWriter().Types(ComponentWriter.Interface("publish", "request")).Imports(ComponentWriter.Import(Messaging, [0x05, 0]))
            .Section(5, [1, 0x01, 1, 0x00, .. ComponentWriter.Text("run"), 0x01, 0])
            .Exports(ComponentWriter.Export("wasi:cli/run@0.2.3", [0x05], 1), ComponentWriter.Export("init", [0x01], 0)).ToArray();
        using var call = await node.AdmitAsync(component, "#run", "wasi:cli/run@0.2.0#run");

        var denied = (await call.ResponseStream.NextAsync()).Denied;
        Assert.Equal([Messaging, "export wasi:cli/run@0.2.0#run"], denied.Reasons.Select(reason => reason.Capability));

        // Half of it: one function of two, and not the call.
        plane.Policies.Add(Grant(Messaging + "#publish"));
        plane.Push();
        denied = (await call.ResponseStream.NextAsync()).Denied;
        Assert.Equal([Messaging + "#request", "export wasi:cli/run@0.2.0#run"], denied.Reasons.Select(reason => reason.Capability));

        plane.Policies.Add(denied.Reasons[0].SmallestGrant);
        plane.Push();
        var admitted = (await call.ResponseStream.NextAsync()).Admitted;
        var linked = Assert.Single(admitted.Linked);
        Assert.Equal((Messaging, "publish,request"), (linked.Name, string.Join(',', linked.Functions)));
        var export = Assert.Single(admitted.Exports);
        Assert.Equal(("wasi:cli/run@0.2.3", "run"), (export.Name, string.Join(',', export.Functions)));
        var told = (await plane.NextReportAsync(V1.AgentReport.ReportOneofCase.Admitted)).Admitted;
        Assert.Equal([Messaging, $"{Messaging}#publish", $"{Messaging}#request"], told.Imports);
        Assert.Equal(["wasi:cli/run@0.2.3", "wasi:cli/run@0.2.3#run", "#init"], told.Exports);
        Assert.True(told.ImportsTold);
    }

    [Fact]
    public async Task A_call_that_the_component_has_not_is_not_asked_about_and_a_malformed_one_is_refused()
    {
        await using var node = await AdmittingNode.StartAsync(_time, Grant(Messaging));
        using var call = await node.AdmitAsync(Component(Messaging), "#run");
        Assert.Empty((await call.ResponseStream.NextAsync()).Admitted.Exports);
        foreach (var text in (string[])["run", "#Run!", "wasi:cli/run@0.2.0", "wasi:cli/*@0.2.0"])
        {
            using var malformed = await node.AdmitAsync(Component(Messaging), text);
            await RefusedAsync(StatusCode.InvalidArgument, () => malformed.ResponseStream.NextAsync());
        }
    }

    [Fact]
    public async Task Rules_that_warn_and_rules_in_shadow_are_reported_with_the_decision()
    {
        await using var node = await AdmittingNode.StartAsync(_time, plane =>
        {
            var forbid = "  - name: {0}\n    effect: forbid\n    mode: {0}\n    subjects:\n      - spiffeId: " + Greeter + "\n    capabilities:\n      - import: {1}\n";
            plane.Policies.Add(Grant(Messaging, Sockets)
                + forbid.Replace("{0}", "warn", StringComparison.Ordinal).Replace("{1}", Messaging, StringComparison.Ordinal)
                + forbid.Replace("{0}", "shadow", StringComparison.Ordinal).Replace("{1}", Sockets, StringComparison.Ordinal));
        });
        var (plane, _) = node;
        using var call = await node.AdmitAsync(Component(Messaging, Sockets));
        Assert.Equal(EventOneofCase.Admitted, (await call.ResponseStream.NextAsync()).EventCase);
        var told = (await plane.NextReportAsync(V1.AgentReport.ReportOneofCase.Decision)).Decision;
        Assert.True(told.Allowed);
        Assert.Equal(ComponentDigest.Of(Component(Messaging, Sockets)).Text, told.ComponentDigest);
        Assert.Equal((Messaging, "sample/warn"), (Assert.Single(told.Warnings).Capability, told.Warnings[0].Rule));
        var shadow = Assert.Single(told.Shadow);
        Assert.Equal((Sockets, "sample/shadow", false), (shadow.Capability, shadow.Rule, shadow.WouldAllow));
    }

    private static async Task AssertInvalidAsync(V1.Admission.AdmissionClient client, params V1.AdmitRequest[] messages)
    {
        using var call = client.Admit(BrokerHeader);
        await call.RequestStream.SendAllAsync(messages);
        await RefusedAsync(StatusCode.InvalidArgument, () => call.ResponseStream.NextAsync());
    }

    private static async Task RefusedByTlsAsync(RunningAgent agent, X509Svid? identity)
    {
        var refused = await Assert.ThrowsAsync<RpcException>(
            () => new V1.Explain.ExplainClient(agent.BrokerChannel(identity)).ListDecisionsAsync(new(), BrokerHeader).ResponseAsync);
        Assert.True(refused.StatusCode is StatusCode.Unavailable or StatusCode.Internal, refused.Status.ToString());
    }
}
