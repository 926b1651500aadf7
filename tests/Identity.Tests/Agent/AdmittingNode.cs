using Grpc.Core;
using static Identity.Tests.Agent.AdmissionCalls;

namespace Identity.Tests.Agent;

/// <summary>A control plane, its agent, and a host with one component (<see cref="AdmissionCalls.PlaneWithHost"/>). Ends in the opposite order.</summary>
internal sealed record AdmittingNode(FakeControlPlane Plane, RunningAgent Agent) : IAsyncDisposable
{
    /// <param name="policies">In force from the beginning.</param>
    public static Task<AdmittingNode> StartAsync(TimeProvider time, params string[] policies) => StartAsync(time, plane => plane.Policies.AddRange(policies));

    /// <param name="prepare">Before anybody connects.</param>
    public static async Task<AdmittingNode> StartAsync(TimeProvider time, Action<FakeControlPlane> prepare)
    {
        var plane = PlaneWithHost(time);
        prepare(plane);
        await plane.StartAsync();
        return new(plane, await RunningAgent.StartAsync(plane));
    }

    /// <summary>The host asks to start the component.</summary>
    public Task<AsyncDuplexStreamingCall<V1.AdmitRequest, V1.AdmitResponse>> AdmitAsync(byte[] component, params string[] calls) =>
        AdmissionCalls.AdmitAsync(Agent, Plane, "greeter", component, calls);

    public async ValueTask DisposeAsync()
    {
        await Agent.DisposeAsync();
        await Plane.DisposeAsync();
    }
}
