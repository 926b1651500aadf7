// Waits have a deadline of their own, and the agent's end cancels every call.
#pragma warning disable xUnit1051

using Grpc.Core;
using static Identity.Tests.Agent.AgentTestExtensions;
using static Identity.Tests.Agent.RunningAgent;

namespace Identity.Tests.Agent;

/// <summary>What workloads get while the server that signs does not answer.</summary>
public sealed class JwtSvidCacheTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    [Fact]
    public async Task A_token_that_is_still_good_is_given_while_the_server_says_nothing_and_the_wait_for_another_is_short_and_shared()
    {
        var clock = new WatchedClock(new DateTimeOffset(2026, 11, 22, 12, 0, 0, TimeSpan.Zero));
        await using var node = await OneNode.StartAsync(plane => plane.Entry("e1", "spiffe://example.org/a", OneNode.Id, OwnUid), clock);
        var first = await TokenAsync(node);
        clock.Advance(TimeSpan.FromMinutes(3));
        node.Plane.IsSilentAboutJwts = true;

        var waiting = TokenAsync(node);
        await clock.AwaitedAsync(clock.GetUtcNow().AddSeconds(10));
        await clock.AwaitedAsync(clock.GetUtcNow().AddSeconds(1));
        clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(first, await waiting.WaitAsync(Patience));

        // The same request is under way; whoever asks now waits for nothing.
        Assert.Equal(first, await TokenAsync(node).WaitAsync(Patience));
        using var deadline = new CancellationTokenSource(Patience);
        while (node.Plane.JwtRequests < 2) await Task.Delay(10, deadline.Token);
        Assert.Equal(2, node.Plane.JwtRequests);

        // It is given up, and the server is left alone for a while.
        await clock.AwaitedAsync(clock.GetUtcNow().AddSeconds(9));
        clock.Advance(TimeSpan.FromSeconds(9));
        Assert.Equal(first, await TokenAsync(node).WaitAsync(Patience));
        Assert.Equal(2, node.Plane.JwtRequests);

        node.Plane.IsSilentAboutJwts = false;
        var next = first;
        // The pause counts from when the agent noticed, which may be after the clock moved.
        for (var pauses = 0; pauses < 10 && next == first; pauses++)
        {
            clock.Advance(TimeSpan.FromSeconds(6));
            next = await TokenAsync(node).WaitAsync(Patience);
        }

        Assert.NotEqual(first, next);
        Assert.Equal(3, node.Plane.JwtRequests);
    }

    [Fact]
    public async Task A_token_that_has_expired_is_not_given_for_want_of_another()
    {
        var clock = new WatchedClock(new DateTimeOffset(2026, 11, 22, 12, 0, 0, TimeSpan.Zero));
        await using var node = await OneNode.StartAsync(plane => plane.Entry("e1", "spiffe://example.org/a", OneNode.Id, OwnUid), clock);
        await TokenAsync(node);
        clock.Advance(TimeSpan.FromMinutes(6));
        node.Plane.IsSilentAboutJwts = true;

        var waiting = RefusedAsync(StatusCode.Unavailable, () => TokenAsync(node));
        await clock.AwaitedAsync(clock.GetUtcNow().AddSeconds(10));
        Assert.False(waiting.IsCompleted);
        clock.Advance(TimeSpan.FromSeconds(10));
        await waiting.WaitAsync(Patience);
    }

    private static async Task<string> TokenAsync(OneNode node) =>
        Assert.Single((await node.Workload.FetchJWTSVIDAsync(new() { Audience = { "x" } }, WorkloadHeader)).Svids).Svid;
}
