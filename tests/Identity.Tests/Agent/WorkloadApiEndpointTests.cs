// Waits have a deadline of their own (NextAsync), and the agent's end cancels every call.
#pragma warning disable xUnit1051

using Grpc.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Spiffe.Net;
using Spiffe.WorkloadApi.V1;
using static Identity.Tests.Agent.AgentTestExtensions;
using static Identity.Tests.Agent.RunningAgent;

namespace Identity.Tests.Agent;

/// <summary>Through which doors the Workload API is served, to whom, and what else is behind them.</summary>
public sealed class WorkloadApiEndpointTests
{
    [Theory]
    [InlineData(null)]
    [InlineData("false")]
    [InlineData("True")]
    [Trait("rule", "WLEP-04")]
    public async Task Refuses_a_call_without_the_security_header(string? value)
    {
        await using var node = await OneNode.StartAsync("/a");
        var headers = value is null ? new Metadata() : new Metadata { { "workload.spiffe.io", value } };

        await RefusedAsync(StatusCode.InvalidArgument, () => node.Workload.FetchX509SVID(new(), headers).ResponseStream.NextAsync());
        await RefusedAsync(StatusCode.InvalidArgument, () => node.Workload.FetchJWTSVIDAsync(new() { Audience = { "x" } }, headers).ResponseAsync);
    }

    [Fact]
    public async Task Serves_nothing_of_the_broker_on_the_workload_socket()
    {
        await using var node = await OneNode.StartAsync();
        var agent = node.Agent;
        var channel = agent.WorkloadChannel();

        await RefusedAsync(StatusCode.Unimplemented, () => new V1.Explain.ExplainClient(channel).GetDecisionAsync(new(), BrokerHeader).ResponseAsync);
        await RefusedAsync(StatusCode.Unimplemented, () => new global::Spiffe.Broker.API.APIClient(channel).FetchJWTSVIDAsync(new(), BrokerHeader).ResponseAsync);
        var health = await new Grpc.Health.V1.Health.HealthClient(channel).CheckAsync(new());
        Assert.Equal(Grpc.Health.V1.HealthCheckResponse.Types.ServingStatus.Serving, health.Status);
    }

    [Fact]
    [Trait("rule", "WLEP-02")]
    public async Task Gives_nobody_an_identity_by_tcp_where_callers_cannot_be_known()
    {
        var address = new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, FreePort());
        await using var node = await OneNode.StartAsync(
            plane => plane.Entry("e1", "spiffe://example.org/a", OneNode.Id, OwnUid),
            start: plane => RunningAgent.StartAsync(plane, OptionsFor(plane, NewFolder(), tcp: address)));
        var (plane, agent) = node;
        var channel = agent.TcpChannel();
        var tcp = new SpiffeWorkloadAPI.SpiffeWorkloadAPIClient(channel);

        var refused = await RefusedAsync(StatusCode.PermissionDenied, () => tcp.FetchX509SVID(new(), WorkloadHeader).ResponseStream.NextAsync());
        Assert.Contains("(decision d-", refused.Status.Detail, StringComparison.Ordinal);
        await RefusedAsync(StatusCode.PermissionDenied, () => tcp.FetchX509Bundles(new(), WorkloadHeader).ResponseStream.NextAsync());
        await RefusedAsync(StatusCode.PermissionDenied, () => tcp.FetchJWTBundles(new(), WorkloadHeader).ResponseStream.NextAsync());
        await RefusedAsync(StatusCode.PermissionDenied, () => tcp.FetchJWTSVIDAsync(new() { Audience = { "x" } }, WorkloadHeader).ResponseAsync);
        var token = plane.TokenOf(SpiffeId.Parse("spiffe://example.org/a"), "x");
        await RefusedAsync(StatusCode.InvalidArgument, () => tcp.ValidateJWTSVIDAsync(new() { Audience = "x", Svid = token }).ResponseAsync);
        Assert.Equal("spiffe://example.org/a", (await tcp.ValidateJWTSVIDAsync(new() { Audience = "x", Svid = token }, WorkloadHeader)).SpiffeId);
        await RefusedAsync(StatusCode.Unimplemented, () => new global::Spiffe.Broker.API.APIClient(channel).FetchJWTSVIDAsync(new(), BrokerHeader).ResponseAsync);
    }

    [Fact]
    [Trait("rule", "WLEP-02")]
    public async Task Listens_on_no_port_unless_asked()
    {
        await using var node = await OneNode.StartAsync();
        var agent = node.Agent;
        var addresses = agent.Services.GetRequiredService<Microsoft.AspNetCore.Hosting.Server.IServer>().Features
            .Get<Microsoft.AspNetCore.Hosting.Server.Features.IServerAddressesFeature>()!.Addresses;
        Assert.NotEmpty(addresses);
        Assert.All(addresses, a => Assert.Contains("unix:/", a, StringComparison.Ordinal));
    }

    [Fact]
    [Trait("rule", "WLEP-15")]
    [Trait("rule", "WLEP-16")]
    [Trait("rule", "WLAPI-03")]
    public async Task Reflects_what_the_workload_socket_serves_and_nothing_else()
    {
        await using var node = await OneNode.StartAsync();
        var agent = node.Agent;
        using var call = new Grpc.Reflection.V1Alpha.ServerReflection.ServerReflectionClient(agent.WorkloadChannel()).ServerReflectionInfo(WorkloadHeader);
        await call.RequestStream.WriteAsync(new() { ListServices = "" });
        var listed = (await call.ResponseStream.NextAsync()).ListServicesResponse.Service.Select(s => s.Name);
        Assert.Equal(["SpiffeWorkloadAPI", "grpc.health.v1.Health"], listed.Order(StringComparer.Ordinal));
        await call.RequestStream.CompleteAsync();
    }

    [Fact]
    public void The_workload_socket_is_open_to_all_and_its_folder_only_to_its_owner_for_writing()
    {
        var folder = RunningAgent.NewFolder();
        var path = Path.Combine(folder, "run", "w.sock");
        using var socket = Identity.Agent.Endpoints.UnixListener.Bind(new(path), Identity.Agent.Endpoints.UnixListener.Everyone);
        Assert.Equal("777", ModeOf(path));
        Assert.Equal("755", ModeOf(Path.GetDirectoryName(path)!));
    }

    private static int FreePort()
    {
        using var socket = new System.Net.Sockets.Socket(System.Net.Sockets.AddressFamily.InterNetwork, System.Net.Sockets.SocketType.Stream, System.Net.Sockets.ProtocolType.Tcp);
        socket.Bind(new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, 0));
        return ((System.Net.IPEndPoint)socket.LocalEndPoint!).Port;
    }
}
