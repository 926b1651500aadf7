using Grpc.Core;
using Identity.Server.Endpoints;
using Identity.Server.Ledger;
using Identity.Server.NodeAttestation;
using Identity.V1;
using Spiffe.Net;
using Reason = Spire.Api.Types.PermissionDeniedDetails.Types.Reason;
using Status = Grpc.Core.Status;

namespace Identity.Server.ComponentPolicy;

/// <summary>Pushes to each agent what it must know, and hears what it runs.</summary>
internal sealed class SyncService(
    ControlPlaneLedger ledger,
    LiveAdmissions live,
    AgentReports reports,
    SnapshotComposer composer,
    IHostApplicationLifetime lifetime,
    TimeProvider time) : SyncFrames
{
    // A snapshot is renewed long before it is stale, so that an agent cut off at any moment has most of its time left.
    private static readonly TimeSpan Renewal = SnapshotComposer.Freshness / 4;

    public override async Task Subscribe(
        IAsyncStreamReader<AgentReport> requestStream, IServerStreamWriter<SnapshotFrame> responseStream, ServerCallContext context)
    {
        if (Caller.Of(context) is not Caller.Agent agent)
        {
            throw PermissionDeniedStatus.From("only an attested agent may subscribe", Reason.AgentNotAttested);
        }

        using var session = live.Open(agent.Id);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(
            context.CancellationToken, session.Superseded, lifetime.ApplicationStopping);
        var reading = reports.ReadAsync(requestStream, session, ending.Token);
        var pushing = PushAsync(agent.Id, session, responseStream, ending.Token);
        try
        {
            // An agent may stop reporting and still listen; one that reports nonsense is cut off.
            if (await Task.WhenAny(reading, pushing) == reading) await reading;
            await pushing;
        }
        catch (Exception e) when (
            ending.IsCancellationRequested && e is OperationCanceledException or IOException or RpcException { StatusCode: StatusCode.Cancelled })
        {
            if (session.Superseded.IsCancellationRequested)
            {
                throw new RpcException(new Status(StatusCode.Aborted, "another stream of the same agent has taken over"));
            }

            if (!context.CancellationToken.IsCancellationRequested)
            {
                throw new RpcException(new Status(StatusCode.Unavailable, "the server is shutting down; subscribe again"));
            }
        }
        finally
        {
            await ending.CancelAsync();
            await Task.WhenAll(reading, pushing).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task PushAsync(SpiffeId agent, AgentSession session, IServerStreamWriter<SnapshotFrame> snapshots, CancellationToken cancellation)
    {
        using var watching = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        await using var states = ledger.WatchAsync(watching.Token).GetAsyncEnumerator(watching.Token);
        var next = states.MoveNextAsync().AsTask();
        AgentView? told = null;
        var renewAt = DateTimeOffset.MinValue;
        var state = ledger.State;
        try
        {
            while (true)
            {
                var changed = next.IsCompleted;
                if (changed)
                {
                    if (!await next) return;
                    state = states.Current;
                    next = states.MoveNextAsync().AsTask();
                }

                var now = time.GetUtcNow();
                var svidExpiresAt = RefuseUnlessActive(state, agent, now);
                var view = AgentView.Of(state, agent, now);
                if (told is null || now >= renewAt || !view.SaysTheSameAs(told))
                {
                    // Ended here before the agent hears of it: the server's word does not wait for the agent's.
                    if (told is not null) AgentReports.Recheck(session, view);
                    await snapshots.WriteAsync(composer.Compose(state, view, changed && told is not null ? state.Traceparent : "", now), cancellation);
                    told = view;
                    renewAt = now + Renewal;
                }

                await WaitAsync(next, Earliest(renewAt, svidExpiresAt, view.ChangesAt) - now, cancellation);
            }
        }
        finally
        {
            // The watch may be disposed of only when nothing waits on it.
            await watching.CancelAsync();
            await ((Task)next).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <returns>When the agent's SVID expires; unless it has renewed by then, its stream ends.</returns>
    private DateTimeOffset RefuseUnlessActive(ControlPlaneState state, SpiffeId id, DateTimeOffset now)
    {
        var agent = state.Agents.GetValueOrDefault(id.ToString());
        var expiresAt = agent?.SvidExpiresAt?.ToDateTimeOffset() ?? DateTimeOffset.MinValue;
        if (agent is { Banned: false } && expiresAt > now) return expiresAt;
        live.EndAll(id);
        throw agent switch
        {
            null => PermissionDeniedStatus.From($"{id} is no longer attested; attest again with a new join token", Reason.AgentNotAttested),
            { Banned: true } => PermissionDeniedStatus.From($"{id} is banned", Reason.AgentBanned),
            _ => PermissionDeniedStatus.From($"the SVID of {id} expired at {expiresAt:u} and was not renewed", Reason.AgentExpired),
        };
    }

    private async Task WaitAsync(Task next, TimeSpan atMost, CancellationToken cancellation)
    {
        if (atMost <= TimeSpan.Zero) return;
        using var timer = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        await Task.WhenAny(next, Task.Delay(atMost, time, timer.Token));
        await timer.CancelAsync();
        cancellation.ThrowIfCancellationRequested();
    }

    private static DateTimeOffset Earliest(DateTimeOffset first, DateTimeOffset second, DateTimeOffset? third)
    {
        var earliest = first < second ? first : second;
        return third < earliest ? third.Value : earliest;
    }
}
