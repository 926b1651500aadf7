using System.Diagnostics;
using Grpc.Core;
using Identity.Agent.Broker;
using Identity.Agent.ControlPlane;
using Identity.Agent.Decisions;
using Identity.Agent.Endpoints;

namespace Identity.Agent.Admission;

/// <summary>May this component start on this host? Answered here, from its bytes and the pushed policy, for as long as the host keeps asking.</summary>
internal sealed class AdmissionService(
    BrokerCallers callers,
    ComponentUploads uploads,
    ViewHolder views,
    ChangeFeed changes,
    AdmissionRegister register,
    DecisionLog decisions,
    TimeProvider time,
    IHostApplicationLifetime lifetime) : V1.Admission.AdmissionBase
{
    public const int MostForEachHost = 1000;

    private readonly StreamBounds _bounds = new(MostForEachHost);

    public override async Task Admit(
        IAsyncStreamReader<V1.AdmitRequest> requestStream, IServerStreamWriter<V1.AdmitResponse> responseStream, ServerCallContext context)
    {
        // 1. Which host? Its SVID says so, and it must be one this agent answers for.
        var host = callers.Of(context).Id;
        using var bound = _bounds.Enter(host.ToString());
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken, lifetime.ApplicationStopping);
        var view = views.Current ?? throw new RpcException(new Status(StatusCode.Unavailable, "the agent has not heard from its server yet; retry"));
        if (!view.Entries.Knows(host)) throw NotAHost(view, host);

        // 2. Which component? Its bytes say so.
        var component = await uploads.ReceiveAsync(requestStream, host, ending.Token);

        // 3. Hold the answer true until the host lets go.
        using var hold = new AdmissionHold(component, responseStream, register, decisions, time);
        await HoldAsync(hold, Activity.Current?.Context ?? default, ending.Token);
    }

    private async Task HoldAsync(AdmissionHold hold, ActivityContext asked, CancellationToken cancellation)
    {
        ControlPlaneView? seen = null;
        await using var pushed = changes.WatchAsync(cancellation).GetAsyncEnumerator(cancellation);
        var push = pushed.MoveNextAsync().AsTask();
        await push;
        while (true)
        {
            var view = views.Current!;
            // The first answer is caused by the host's question, later ones by the change that was pushed.
            var pushedBy = seen is null ? asked : Traceparents.Read(view.Traceparent);
            seen = view;
            await hold.DecideAsync(view, pushedBy == default ? asked : pushedBy, cancellation);

            if (push.IsCompleted) push = pushed.MoveNextAsync().AsTask();
            await WaitAsync(push, hold.NextLook, cancellation);
            if (push.IsCompleted && !await push) return;
        }
    }

    private async Task WaitAsync(Task push, DateTimeOffset until, CancellationToken cancellation)
    {
        var wait = until - time.GetUtcNow();
        if (wait <= TimeSpan.Zero) return;
        using var waiting = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        await Task.WhenAny(push, Task.Delay(wait < TimeSpan.FromDays(1) ? wait : TimeSpan.FromDays(1), time, waiting.Token));
        await waiting.CancelAsync();
        cancellation.ThrowIfCancellationRequested();
    }

    private RpcException NotAHost(ControlPlaneView view, Spiffe.Net.SpiffeId host)
    {
        var decision = decisions.Record(
            new V1.Decision
            {
                Kind = V1.DecisionKind.ComponentStart,
                Subject = host.ToString(),
                Summary = $"{host} is not a host of this node",
                PolicyRevision = view.PolicyRevision,
            },
            host);
        return new RpcException(new Status(StatusCode.PermissionDenied, $"{decision.Summary} (decision {decision.Id})"));
    }
}
