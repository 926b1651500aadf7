// Waits have a deadline of their own (NextAsync), and the agent's end cancels every call.
#pragma warning disable xUnit1051

using Grpc.Core;
using Microsoft.Extensions.Time.Testing;
using Spiffe.WorkloadApi.V1;
using static Identity.Tests.Agent.AgentTestExtensions;
using static Identity.Tests.Agent.RunningAgent;

namespace Identity.Tests.Agent;

/// <summary>A message that lacks an identity takes it away, and what is first in it is the default: both only where that is meant.</summary>
public sealed class WorkloadApiFullSetTests
{
    private const string A = "spiffe://example.org/a", B = "spiffe://example.org/b", C = "spiffe://example.org/c";

    private readonly FakeTimeProvider _clock = new(new DateTimeOffset(2026, 11, 23, 12, 0, 0, TimeSpan.Zero));

    [Theory]
    [InlineData(StatusCode.NotFound)]
    [InlineData(StatusCode.FailedPrecondition)]
    [Trait("rule", "WLAPI-13")]
    [Trait("rule", "WLAPI-34")]
    public async Task A_default_identity_that_the_server_refuses_is_not_replaced_by_another(StatusCode code)
    {
        await using var node = await StartAsync(plane => plane.X509Refusals["e1"] = code);
        for (var i = 0; i < 3; i++) await RefusedAsync(StatusCode.Unavailable, () => FirstAsync(node));
        node.Plane.X509Refusals.Clear();
        Assert.Equal([A, B], Ids(await WhenThereAsync(node)));
    }

    [Fact]
    [Trait("rule", "WLAPI-07")]
    [Trait("rule", "WLAPI-34")]
    public async Task A_default_identity_that_is_not_renewed_is_not_replaced_by_another_on_an_open_stream()
    {
        await using var node = await StartAsync();
        using var stream = node.Workload.FetchX509SVID(new(), WorkloadHeader);
        Assert.Equal([A, B], Ids(await stream.ResponseStream.NextAsync()));

        // The other is renewed, this one ends.
        node.Plane.X509Refusals["e1"] = StatusCode.NotFound;
        _clock.Advance(TimeSpan.FromMinutes(40));
        Assert.Equal([A, B], Ids(await stream.ResponseStream.NextAsync()));
        _clock.Advance(TimeSpan.FromMinutes(30));
        await RefusedAsync(StatusCode.Unavailable, () => FirstAsync(node));
        await RefusedAsync(StatusCode.Unavailable, () => FirstAsync(node));
        // A stream that has nothing more to tell ends, so that its client hears of it.
        await RefusedAsync(StatusCode.Unavailable, () => stream.ResponseStream.NextAsync());

        node.Plane.X509Refusals.Clear();
        Assert.Equal([A, B], Ids(await WhenThereAsync(node)));
    }

    [Fact]
    [Trait("rule", "WLAPI-07")]
    [Trait("rule", "WLAPI-13")]
    [Trait("rule", "WLAPI-34")]
    public async Task A_default_identity_that_ends_while_the_server_is_away_is_not_replaced_by_one_that_lives()
    {
        await using var node = await StartAsync(plane => plane.Entries.RemoveAt(1));
        using var stream = node.Workload.FetchX509SVID(new(), WorkloadHeader);
        Assert.Equal([A], Ids(await stream.ResponseStream.NextAsync()));
        _clock.Advance(TimeSpan.FromMinutes(20));
        node.Plane.Entry("e2", B, OneNode.Id, OwnUid);
        node.Plane.Push();
        Assert.Equal([A, B], Ids(await stream.ResponseStream.NextAsync()));

        node.Plane.HoldX509Batches().Fail(StatusCode.Unavailable);
        _clock.Advance(TimeSpan.FromMinutes(45));
        await RefusedAsync(StatusCode.Unavailable, () => FirstAsync(node));
        await RefusedAsync(StatusCode.Unavailable, () => FirstAsync(node));

        node.Plane.AnswerX509Batches();
        Assert.Equal([A, B], Ids(await WhenThereAsync(node)));
        Assert.Equal([A, B], Ids(await stream.ResponseStream.NextAsync()));
    }

    [Theory]
    [InlineData(StatusCode.NotFound, 1)]
    [InlineData(StatusCode.Internal, 5)]
    [Trait("rule", "WLAPI-13")]
    public async Task Another_identity_that_the_server_refuses_for_good_or_again_and_again_does_not_silence_the_rest(StatusCode code, int most)
    {
        await using var node = await StartAsync(plane => plane.X509Refusals["e2"] = code);
        for (var refusals = 1; refusals < most; refusals++) await RefusedAsync(StatusCode.Unavailable, () => LaterAsync(node));
        Assert.Equal([A], Ids(await LaterAsync(node)));
        using var stream = node.Workload.FetchX509SVID(new(), WorkloadHeader);
        Assert.Equal([A], Ids(await stream.ResponseStream.NextAsync()));
        node.Plane.X509Refusals.Clear();
        _clock.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal([A, B], Ids(await stream.ResponseStream.NextAsync()));
    }

    [Fact]
    [Trait("rule", "WLAPI-07")]
    public async Task What_is_taken_away_ends_though_another_cannot_be_had()
    {
        await using var node = await StartAsync(plane => plane.Entry("e3", C, OneNode.Id, OwnUid));
        var (plane, _) = node;
        using var stream = node.Workload.FetchX509SVID(new(), WorkloadHeader);
        Assert.Equal([A, B, C], Ids(await stream.ResponseStream.NextAsync()));
        // The first is made anew and outlives the second.
        _clock.Advance(TimeSpan.FromMinutes(20));
        plane.Entries[0].RevisionNumber++;
        plane.Push();
        Assert.Equal([A, B, C], Ids(await stream.ResponseStream.NextAsync()));
        plane.HoldX509Batches().Fail(StatusCode.Unavailable);
        _clock.Advance(TimeSpan.FromMinutes(45));
        await RefusedAsync(StatusCode.Unavailable, () => FirstAsync(node));

        plane.Entries.RemoveAt(2);
        plane.Push();
        Assert.Equal([A], Ids(await stream.ResponseStream.NextAsync()));
    }

    private Task<OneNode> StartAsync(Action<FakeControlPlane>? also = null) => OneNode.StartAsync(
        plane =>
        {
            plane.Entry("e1", A, OneNode.Id, OwnUid);
            plane.Entry("e2", B, OneNode.Id, OwnUid);
            also?.Invoke(plane);
        },
        _clock);

    private static async Task<X509SVIDResponse> FirstAsync(OneNode node)
    {
        using var call = node.Workload.FetchX509SVID(new(), WorkloadHeader);
        return await call.ResponseStream.NextAsync();
    }

    /// <summary>The first message of a new stream after a pause that is longer than any between two attempts.</summary>
    private async Task<X509SVIDResponse> LaterAsync(OneNode node)
    {
        _clock.Advance(TimeSpan.FromSeconds(10));
        return await FirstAsync(node);
    }

    /// <summary>As <see cref="LaterAsync"/>, where an attempt may still fail that was under way, or that the renewal of the node's own SVID cuts off.</summary>
    private async Task<X509SVIDResponse> WhenThereAsync(OneNode node)
    {
        for (var attempts = 1; ; attempts++)
        {
            try
            {
                return await LaterAsync(node);
            }
            catch (RpcException e) when (e.StatusCode is StatusCode.Unavailable && attempts < 20)
            {
                // Not yet.
            }
        }
    }

    private static IEnumerable<string> Ids(X509SVIDResponse response) => response.Svids.Select(svid => svid.SpiffeId);
}
