// Waits have a deadline of their own (NextAsync), and the agent's end cancels every call.
#pragma warning disable xUnit1051

using Grpc.Core;
using static Identity.Tests.Agent.AgentTestExtensions;
using static Identity.Tests.Agent.RunningAgent;

namespace Identity.Tests.Agent;

/// <summary>The clock was ahead for a while, in which the server gave nothing, and is right again: what is half used up is replaced as ever.</summary>
public sealed class ClockAheadTests
{
    private readonly SteppedClock _clock = new();

    [Fact]
    public async Task A_token_is_replaced_at_half_its_life_all_the_same()
    {
        await using var node = await OneNode.StartAsync(plane => plane.Entry("e1", "spiffe://example.org/a", OneNode.Id, OwnUid), _clock);
        var first = await TokenAsync();
        _clock.Step = TimeSpan.FromMinutes(10);
        node.Plane.JwtRefusal = StatusCode.Unavailable;
        await RefusedAsync(StatusCode.Unavailable, TokenAsync);
        _clock.Step = TimeSpan.FromMinutes(3);
        node.Plane.JwtRefusal = null;
        Assert.NotEqual(first, await TokenAsync());

        async Task<string> TokenAsync() => Assert.Single((await node.Workload.FetchJWTSVIDAsync(new() { Audience = { "x" } }, WorkloadHeader)).Svids).Svid;
    }

    [Fact]
    public async Task A_WIT_SVID_is_replaced_at_half_its_life_all_the_same()
    {
        await using var node = await OneNode.StartAsync(
            plane => plane.Entry("e1", "spiffe://example.org/a", OneNode.Id, OwnUid),
            _clock,
            plane => RunningAgent.StartAsync(plane, OptionsFor(plane, NewFolder(), wit: true)));
        var first = await SvidAsync();
        _clock.Step = TimeSpan.FromMinutes(70);
        node.Plane.WitRefusal = StatusCode.Unavailable;
        await RefusedAsync(StatusCode.Unavailable, SvidAsync);
        _clock.Step = TimeSpan.FromMinutes(40);
        node.Plane.WitRefusal = null;
        Assert.NotEqual(first, await SvidAsync());

        async Task<string> SvidAsync()
        {
            using var call = node.Workload.FetchWITSVID(new(), WorkloadHeader);
            return Assert.Single((await call.ResponseStream.NextAsync()).Svids).WitSvid;
        }
    }
}
