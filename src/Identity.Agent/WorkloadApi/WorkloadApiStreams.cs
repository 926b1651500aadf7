using System.Globalization;
using Identity.Agent.Endpoints;
using Identity.Agent.WorkloadAttestation;

namespace Identity.Agent.WorkloadApi;

/// <summary>Calls open on the workload socket: so many for each user, and none past the agent's own end.</summary>
internal sealed class WorkloadApiStreams(IHostApplicationLifetime lifetime)
{
    public const int MostForEachUser = 1000;

    private readonly StreamBounds _bounds = new(MostForEachUser);

    public IDisposable Enter(PeerConnection peer) => _bounds.Enter(peer.Uid.ToString(CultureInfo.InvariantCulture));

    public CancellationTokenSource UntilStopping(CancellationToken cancellation) =>
        CancellationTokenSource.CreateLinkedTokenSource(cancellation, lifetime.ApplicationStopping);
}
