using Spiffe.WorkloadApi.V1;

namespace Identity.Tests.Agent;

/// <summary>A control plane and the agent that follows it, up and running: where tests of the Workload API begin.</summary>
internal sealed class OneNode : IAsyncDisposable
{
    /// <summary>The parent of the entries that this node's agent may issue for.</summary>
    public const string Id = "spiffe://example.org/nodes/local";

    private OneNode(FakeControlPlane plane, RunningAgent agent) => (Plane, Agent) = (plane, agent);

    public FakeControlPlane Plane { get; }

    public RunningAgent Agent { get; }

    public SpiffeWorkloadAPI.SpiffeWorkloadAPIClient Workload => Agent.Workload;

    /// <summary>With an entry for this process at each path, e1, e2 and so on.</summary>
    public static Task<OneNode> StartAsync(params string[] paths) => StartAsync(plane =>
    {
        foreach (var path in paths) plane.Entry($"e{plane.Entries.Count + 1}", $"spiffe://example.org{path}", Id, AgentTestExtensions.OwnUid);
    });

    /// <param name="register">What the control plane knows when the agent starts.</param>
    /// <param name="time">The clock of both; null for the real one.</param>
    /// <param name="start">Starts the agent; null as it is shipped.</param>
    public static async Task<OneNode> StartAsync(
        Action<FakeControlPlane> register, TimeProvider? time = null, Func<FakeControlPlane, Task<RunningAgent>>? start = null)
    {
        var plane = new FakeControlPlane(time ?? TimeProvider.System);
        try
        {
            register(plane);
            await plane.StartAsync();
            return new OneNode(plane, await (start ?? RunningAgent.StartAsync)(plane));
        }
        catch
        {
            await plane.DisposeAsync();
            throw;
        }
    }

    public void Deconstruct(out FakeControlPlane plane, out RunningAgent agent) => (plane, agent) = (Plane, Agent);

    public async ValueTask DisposeAsync()
    {
        await Agent.DisposeAsync();
        await Plane.DisposeAsync();
    }
}
