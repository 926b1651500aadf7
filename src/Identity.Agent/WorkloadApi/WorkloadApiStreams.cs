using Identity.Agent.Endpoints;
using Identity.Agent.WorkloadAttestation;

namespace Identity.Agent.WorkloadApi;

/// <summary>Calls open on the workload socket: a fair share for each user, and none past the end of its process or of the agent.</summary>
/// <param name="most">One user alone may have three eighths of them open.</param>
internal sealed class WorkloadApiStreams(IHostApplicationLifetime lifetime, TimeProvider time, int most = WorkloadApiStreams.Most)
{
    /// <summary>One user alone has room for 10,500.</summary>
    public const int Most = 28_000;

    private readonly FairShares _shares = new(most);

    /// <summary>
    /// Serves a call of the workload socket while its user has a share left; else it is Unavailable (Workload Endpoint §6: overloaded). Counted here and not by
    /// service: a watch of health or reflection holds memory too, and so does a call whose request never comes to its end.
    /// </summary>
    public async Task ServeAsync(HttpContext call, RequestDelegate next)
    {
        if (call.Features.Get<EndpointFeature>()?.Endpoint is AgentEndpoint.Workload)
        {
            using var share = _shares.TryTake(call.Features.Get<PeerConnection>()?.Owner ?? PeerConnection.Nobody);
            if (share is null)
            {
                Refuse(call.Response);
                return;
            }

            using var deadline = new CallDeadline(call, time);
            call.Features.Set(deadline);
            await next(call);
        }
        else
        {
            await next(call);
        }
    }

    public CancellationTokenSource UntilOver(PeerConnection peer, CancellationToken cancellation) =>
        CancellationTokenSource.CreateLinkedTokenSource(cancellation, lifetime.ApplicationStopping, peer.Process.Ended);

    // gRPC's "Trailers-Only" answer, which needs no part of the request.
    private static void Refuse(HttpResponse response)
    {
        response.ContentType = "application/grpc";
        response.Headers["grpc-status"] = ((int)Grpc.Core.StatusCode.Unavailable).ToString(System.Globalization.CultureInfo.InvariantCulture);
        response.Headers["grpc-message"] = "this user has as many calls open as it may; close some and retry";
    }
}
