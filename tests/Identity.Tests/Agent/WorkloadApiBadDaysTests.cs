// Waits have a deadline of their own (NextAsync), and the agent's end cancels every call.
#pragma warning disable xUnit1051

using Grpc.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using static Identity.Tests.Agent.AgentTestExtensions;
using static Identity.Tests.Agent.RunningAgent;
using Types = Spire.Api.Types;

namespace Identity.Tests.Agent;

/// <summary>What open streams hear when a clock is wrong, a machine slept, or somebody does not read.</summary>
public sealed class WorkloadApiBadDaysTests
{
    [Theory]
    [InlineData(Types.PermissionDeniedDetails.Types.Reason.AgentExpired)]
    [InlineData(Types.PermissionDeniedDetails.Types.Reason.Unknown)]
    public async Task Goes_on_when_the_server_finds_the_node_expired_for_its_own_clock_may_be_wrong(Types.PermissionDeniedDetails.Types.Reason reason)
    {
        await using var node = await OneNode.StartAsync("/a");
        using var svid = node.Workload.FetchX509SVID(new(), WorkloadHeader);
        await svid.ResponseStream.NextAsync();
        var port = node.Plane.Port;
        await node.Plane.StopAsync();
        (node.Plane.SyncRefusal, node.Plane.RefusalReason) = (StatusCode.PermissionDenied, reason);
        await node.Plane.StartAsync(port);
        await node.Plane.RefusedAsync();
        await node.Plane.RefusedAsync();

        // After a refusal that was dealt with: nothing was taken away, on the disk neither, and it goes on when the clock is right again.
        using var other = node.Workload.FetchX509SVID(new(), WorkloadHeader);
        Assert.Single((await other.ResponseStream.NextAsync()).Svids);
        Assert.True(File.Exists(Path.Combine(node.Agent.Options.DataDirectory, "node-svid.pem")));
        node.Plane.SyncRefusal = null;
        node.Plane.Entry("e9", "spiffe://example.org/b", OneNode.Id, OwnUid);
        while ((await svid.ResponseStream.NextAsync()).Svids.Count < 2) { }
    }

    [Fact]
    public async Task Renews_when_its_hour_has_come_by_the_clock_though_no_timer_counted_so_long()
    {
        var clock = new SteppedClock();
        await using var node = await OneNode.StartAsync(plane => plane.Entry("e1", "spiffe://example.org/a", OneNode.Id, OwnUid), clock);
        using var call = node.Workload.FetchX509SVID(new(), WorkloadHeader);
        var before = Assert.Single((await call.ResponseStream.NextAsync()).Svids).X509Svid;
        var node0 = node.Agent.Services.GetRequiredService<Identity.Agent.NodeEnrollment.NodeIdentity>().Current;

        // The machine slept for 40 minutes.
        clock.Step += TimeSpan.FromMinutes(40);
        node.Agent.Services.GetServices<IHostedService>().OfType<Identity.Agent.ClockWatch>().Single().Look();

        Assert.NotEqual(before, Assert.Single((await call.ResponseStream.NextAsync()).Svids).X509Svid);
        var identity = node.Agent.Services.GetRequiredService<Identity.Agent.NodeEnrollment.NodeIdentity>();
        using var deadline = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        while (ReferenceEquals(identity.Current, node0)) await Task.Delay(20, deadline.Token);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Who_does_not_read_is_cut_off_with_its_entitlement_and_reads_nothing_afterwards(bool isAnotherIdentityInItsPlace)
    {
        var handled = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var node = await OneNode.StartAsync(
            plane => plane.Entry("e1", "spiffe://example.org/a", OneNode.Id, OwnUid),
            start: plane => RunningAgent.StartAsync(plane, OptionsFor(plane, NewFolder()), also: builder =>
            {
                builder.Services.AddSingleton(handled);
                builder.Services.Configure<Grpc.AspNetCore.Server.GrpcServiceOptions>(grpc => grpc.Interceptors.Add<SeesTheEnd>());
            }));
        var (plane, agent) = node;
        using var prompt = agent.Workload.FetchX509Bundles(new(), WorkloadHeader);
        await prompt.ResponseStream.NextAsync();
        using var slow = agent.Workload.FetchX509SVID(new(), WorkloadHeader);
        await slow.ResponseStream.NextAsync();

        // More than a stream takes unread, again and again.
        for (var i = 0; i < 6; i++)
        {
            plane.Crls.Clear();
            plane.Crls.Add(Google.Protobuf.ByteString.CopyFrom([.. Enumerable.Repeat((byte)i, 96 * 1024)]));
            plane.Push();
            await prompt.ResponseStream.NextAsync();
        }

        if (isAnotherIdentityInItsPlace)
        {
            plane.Entries[0].SpiffeId.Path = "/b";
            plane.Entries[0].RevisionNumber++;
        }
        else
        {
            plane.Entries.Clear();
        }

        plane.Push();
        await handled.Task.WaitAsync(TimeSpan.FromMinutes(1));
        var cut = await Assert.ThrowsAsync<RpcException>(() => slow.ResponseStream.NextAsync());
        Assert.NotEqual(StatusCode.PermissionDenied, cut.StatusCode);
    }

    private sealed class SeesTheEnd(TaskCompletionSource handled) : Grpc.Core.Interceptors.Interceptor
    {
        public override async Task ServerStreamingServerHandler<TRequest, TResponse>(
            TRequest request, IServerStreamWriter<TResponse> responseStream, ServerCallContext context, ServerStreamingServerMethod<TRequest, TResponse> continuation)
        {
            try
            {
                await continuation(request, responseStream, context);
            }
            finally
            {
                if (context.Method.EndsWith("/FetchX509SVID", StringComparison.Ordinal)) handled.TrySetResult();
            }
        }
    }
}
