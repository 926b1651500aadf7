// Waits have a deadline of their own (NextAsync), and the agent's end cancels every call.
#pragma warning disable xUnit1051

using Grpc.Core;
using Grpc.Health.V1;
using Microsoft.Extensions.Time.Testing;
using static Identity.Tests.Agent.AgentTestExtensions;
using static Identity.Tests.Agent.RunningAgent;
using Status = Grpc.Health.V1.HealthCheckResponse.Types.ServingStatus;

namespace Identity.Tests.Agent;

/// <summary>What a running agent says before it is asked for anything: the modes of its sockets, its health, what it serves.</summary>
public sealed class WorkloadApiDoorsTests
{
    private const string Node = "spiffe://example.org/nodes/local";

    [Fact]
    [Trait("rule", "WLEP-02")]
    public async Task Every_process_may_connect_to_the_workload_socket_and_only_owner_and_group_to_the_brokers()
    {
        await using var plane = new FakeControlPlane(TimeProvider.System);
        await plane.StartAsync();
        await using var agent = await StartAsync(plane);
        Assert.Equal(("777", "770"), (ModeOf(agent.Options.WorkloadSocket), ModeOf(agent.Options.BrokerSocket)));
    }

    [Fact]
    [Trait("rule", "WLEP-12")]
    public async Task Before_its_server_has_told_it_anything_every_call_is_unavailable_and_the_agent_not_serving()
    {
        await using var plane = new FakeControlPlane(TimeProvider.System) { SyncRefusal = StatusCode.Unavailable };
        plane.Entry("e1", "spiffe://example.org/a", Node, OwnUid);
        await plane.StartAsync();
        await using var agent = await RunningAgent.StartAsync(plane, OptionsFor(plane, NewFolder(), wit: true), waitsForView: false);
        var api = agent.Workload;

        Assert.Equal(Status.NotServing, await HealthAsync(agent));
        await RefusedAsync(StatusCode.Unavailable, () => api.FetchX509SVID(new(), WorkloadHeader).ResponseStream.NextAsync());
        await RefusedAsync(StatusCode.Unavailable, () => api.FetchX509Bundles(new(), WorkloadHeader).ResponseStream.NextAsync());
        await RefusedAsync(StatusCode.Unavailable, () => api.FetchJWTSVIDAsync(new() { Audience = { "x" } }, WorkloadHeader).ResponseAsync);
        await RefusedAsync(StatusCode.Unavailable, () => api.FetchJWTBundles(new(), WorkloadHeader).ResponseStream.NextAsync());
        await RefusedAsync(StatusCode.Unavailable, () => api.FetchWITSVID(new(), WorkloadHeader).ResponseStream.NextAsync());
        await RefusedAsync(StatusCode.Unavailable, () => api.FetchWITBundles(new(), WorkloadHeader).ResponseStream.NextAsync());
        var refused = await RefusedAsync(StatusCode.Unavailable, () => api.ValidateJWTSVIDAsync(new() { Audience = "x", Svid = "a.b.c" }, WorkloadHeader).ResponseAsync);
        Assert.Contains("has not heard from its server yet", refused.Status.Detail, StringComparison.Ordinal);

        // Starting is not the same as having nothing to give: who asks again is served.
        plane.SyncRefusal = null;
        await agent.FollowsAsync(plane);
        Assert.Equal(Status.Serving, await HealthAsync(agent));
        using var call = api.FetchX509SVID(new(), WorkloadHeader);
        Assert.Single((await call.ResponseStream.NextAsync()).Svids);
    }

    [Fact]
    public async Task Is_not_serving_any_more_once_its_own_SVID_has_expired()
    {
        var time = new FakeTimeProvider(new DateTimeOffset(2026, 11, 22, 12, 0, 0, TimeSpan.Zero));
        await using var plane = new FakeControlPlane(time);
        await plane.StartAsync();
        await using var agent = await StartAsync(plane);
        Assert.Equal(Status.Serving, await HealthAsync(agent));
        await plane.StopAsync();
        Assert.Equal(Status.Serving, await HealthAsync(agent));
        time.Advance(TimeSpan.FromHours(3));
        Assert.Equal(Status.NotServing, await HealthAsync(agent));
    }

    // The exemption that docs/spec-divergences.md names: no header is asked of health, and of nothing else.
    [Theory]
    [InlineData(null)]
    [InlineData("false")]
    [Trait("rule", "WLEP-04")]
    public async Task Health_is_told_without_the_security_header_and_reflection_is_not(string? value)
    {
        await using var plane = new FakeControlPlane(TimeProvider.System);
        await plane.StartAsync();
        await using var agent = await StartAsync(plane);
        var headers = value is null ? new Metadata() : new Metadata { { "workload.spiffe.io", value } };
        var channel = agent.WorkloadChannel();
        Assert.Equal(Status.Serving, (await new Health.HealthClient(channel).CheckAsync(new(), headers)).Status);
        using var watch = new Health.HealthClient(channel).Watch(new(), headers);
        await watch.ResponseStream.NextAsync();
        await RefusedAsync(
            StatusCode.InvalidArgument, () => new Grpc.Reflection.V1.ServerReflection.ServerReflectionClient(channel).ServerReflectionInfo(headers).ResponseStream.NextAsync());
        await RefusedAsync(
            StatusCode.InvalidArgument, () => new Grpc.Reflection.V1Alpha.ServerReflection.ServerReflectionClient(channel).ServerReflectionInfo(headers).ResponseStream.NextAsync());
    }

    [Fact]
    [Trait("rule", "WLEP-16")]
    public async Task Reflects_the_same_by_the_newer_name_of_reflection()
    {
        await using var plane = new FakeControlPlane(TimeProvider.System);
        await plane.StartAsync();
        await using var agent = await StartAsync(plane);
        using var call = new Grpc.Reflection.V1.ServerReflection.ServerReflectionClient(agent.WorkloadChannel()).ServerReflectionInfo(WorkloadHeader);
        await call.RequestStream.WriteAsync(new() { ListServices = "" });
        var listed = (await call.ResponseStream.NextAsync()).ListServicesResponse.Service.Select(s => s.Name);
        Assert.Equal(["SpiffeWorkloadAPI", "grpc.health.v1.Health"], listed.Order(StringComparer.Ordinal));
        await call.RequestStream.CompleteAsync();
    }

    private static async Task<Status> HealthAsync(RunningAgent agent) => (await new Health.HealthClient(agent.WorkloadChannel()).CheckAsync(new())).Status;
}
