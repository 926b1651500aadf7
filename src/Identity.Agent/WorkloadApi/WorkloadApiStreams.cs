using Grpc.Core;
using Identity.Agent.Endpoints;
using Identity.Agent.WorkloadAttestation;

namespace Identity.Agent.WorkloadApi;

/// <summary>Calls open on the workload socket: a fair share for each user, and none past the end of its process or of the agent.</summary>
internal sealed class WorkloadApiStreams(IHostApplicationLifetime lifetime)
{
    /// <summary>One user alone may have half of them open.</summary>
    public const int Most = 20_000;

    // No user has this number: uids are unsigned.
    private const long Nobody = -1;

    private readonly FairShares _shares = new(Most);

    /// <summary>Throws Unavailable when the caller has its share (Workload Endpoint §6: overloaded).</summary>
    public IDisposable Enter(PeerConnection? peer) => _shares.TryTake(peer?.Uid ?? Nobody)
        ?? throw new RpcException(new Status(StatusCode.Unavailable, "this user has as many calls open as it may; close some and retry"));

    public CancellationTokenSource UntilOver(PeerConnection peer, CancellationToken cancellation) =>
        CancellationTokenSource.CreateLinkedTokenSource(cancellation, lifetime.ApplicationStopping, peer.Process.Ended);
}
