using Grpc.Core;
using Identity.Agent.Admission;
using Identity.Agent.ControlPlane;
using Identity.Agent.Decisions;
using Identity.Policy;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using static Identity.Tests.Agent.RunningAgent;

namespace Identity.Tests.Agent;

/// <summary>A host that was taken over stops reading its answers, to hear of no end.</summary>
public sealed class SilentHostTests
{
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 11, 22, 12, 0, 0, TimeSpan.Zero));

    [Fact]
    public async Task Ends_the_admission_of_a_host_that_does_not_read_its_answers()
    {
        await using var plane = new FakeControlPlane(_time);
        plane.Entry("host", Host.ToString(), "spiffe://example.org/nodes/local", AgentTestExtensions.OwnUid);
        plane.Entry("component", "spiffe://example.org/components/greeter", Host.ToString(), "wasm:name:greeter");
        plane.Policies.Add(
            "kind: CapabilityPolicy\nname: sample\nrules:\n  - name: one\n    effect: permit\n    subjects:\n"
            + "      - spiffeId: spiffe://example.org/components/greeter\n    capabilities: [start]\n");
        await plane.StartAsync();
        await using var agent = await StartAsync(plane);
        byte[] bytes = [0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0];
        Assert.True(ComponentReader.TryRead(bytes, out var imports, out _));
        using var hold = new AdmissionHold(
            new UploadedComponent(Host, "greeter", ComponentDigest.Of(bytes), imports),
            new NeverRead(),
            agent.Services.GetRequiredService<AdmissionRegister>(),
            agent.Services.GetRequiredService<DecisionLog>(),
            _time);
        var view = agent.Services.GetRequiredService<ViewHolder>().Current!;

        var deciding = hold.DecideAsync(view, default, TestContext.Current.CancellationToken);
        Assert.False(deciding.IsCompleted);
        Assert.Equal(1, agent.Services.GetRequiredService<AgentReports>().LiveAdmissions);
        _time.Advance(TimeSpan.FromSeconds(11));

        var ended = await Assert.ThrowsAsync<RpcException>(() => deciding.WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken));
        Assert.Equal(StatusCode.DeadlineExceeded, ended.StatusCode);
        hold.Dispose();
        Assert.Equal(0, agent.Services.GetRequiredService<AgentReports>().LiveAdmissions);
    }

    private sealed class NeverRead : IServerStreamWriter<V1.AdmitResponse>
    {
        public WriteOptions? WriteOptions { get; set; }

        public Task WriteAsync(V1.AdmitResponse message) => new TaskCompletionSource().Task;

        public Task WriteAsync(V1.AdmitResponse message, CancellationToken cancellationToken) => WriteAsync(message);
    }
}
