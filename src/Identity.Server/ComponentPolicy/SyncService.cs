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
    NodeRefusals nodes,
    IHostApplicationLifetime lifetime,
    TimeProvider time) : SyncFrames
{
    // A snapshot is renewed long before it is stale, so that an agent cut off at any moment has most of its time left.
    private static readonly TimeSpan Renewal = SnapshotComposer.Freshness / 4;

    // An agent that does not read its snapshots is cut off: it would hold memory, and nobody knows what it goes by.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

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
        var pushing = PushAsync(agent.Id, agent.Serial, session, responseStream, PackedDocuments.AreAcceptedBy(context.RequestHeaders), ending.Token);
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

    private async Task PushAsync(
        SpiffeId agent, string serial, AgentSession session, IServerStreamWriter<SnapshotFrame> snapshots, bool isPacked, CancellationToken cancellation)
    {
        using var watching = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        await using var states = ledger.WatchAsync(watching.Token).GetAsyncEnumerator(watching.Token);
        var next = states.MoveNextAsync().AsTask();
        AgentView? told = null;
        AgentView? enforced = null;
        var renewAt = DateTimeOffset.MinValue;
        var state = ledger.State;
        var cause = "";
        var writing = Task.CompletedTask;
        var writtenBy = DateTimeOffset.MaxValue;
        try
        {
            while (true)
            {
                if (next.IsCompleted)
                {
                    if (!await next) return;
                    state = states.Current;
                    if (told is not null) cause = state.Traceparent;
                    next = states.MoveNextAsync().AsTask();
                }

                // 1. What is taken away is gone here before the agent hears of it, and also when the agent has stopped listening.
                var now = time.GetUtcNow();
                var svidExpiresAt = RefuseUnlessActive(state, agent, serial, now);
                var view = AgentView.Of(state, agent, now, enforced);
                if (enforced is null || !view.SaysTheSameAs(enforced)) AgentReports.Recheck(session, enforced = view);

                // 2. Tell it, one snapshot at a time.
                if (writing.IsCompleted)
                {
                    await writing;
                    writtenBy = DateTimeOffset.MaxValue;
                    if (told is null || now >= renewAt || !view.SaysTheSameAs(told))
                    {
                        writing = snapshots.WriteAsync(composer.Compose(state, view, told, isPacked, cause, now), watching.Token);
                        (told, cause, renewAt, writtenBy) = (view, "", now + Renewal, now + Patience);
                    }
                }
                else if (now >= writtenBy)
                {
                    throw new RpcException(new Status(StatusCode.DeadlineExceeded, $"the agent did not read a snapshot within {Patience.TotalSeconds} seconds"));
                }

                Task wake = writing.IsCompleted ? next : Task.WhenAny(next, writing);
                await WaitAsync(wake, Earliest(writing.IsCompleted ? renewAt : writtenBy, svidExpiresAt, view.ChangesAt) - now, cancellation);
            }
        }
        finally
        {
            // The watch may be disposed of only when nothing waits on it; a write that nobody reads ends with the call.
            await watching.CancelAsync();
            await ((Task)next).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await writing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <returns>When the agent's SVID expires; unless it has renewed by then, its stream ends.</returns>
    private DateTimeOffset RefuseUnlessActive(ControlPlaneState state, SpiffeId id, string serial, DateTimeOffset now)
    {
        var agent = state.Agents.GetValueOrDefault(id.ToString());
        var expiresAt = agent?.SvidExpiresAt?.ToDateTimeOffset() ?? DateTimeOffset.MinValue;
        if (agent is { Banned: false } && expiresAt > now) return expiresAt;
        live.EndAll(id);
        throw agent switch
        {
            null => nodes.Refuse(id, serial, $"{id} is no longer attested; attest again with a new join token", Reason.AgentNotAttested),
            { Banned: true } => nodes.Refuse(id, serial, $"{id} is banned", Reason.AgentBanned),
            _ => nodes.Refuse(id, serial, $"the SVID of {id} expired at {expiresAt:u} and was not renewed", Reason.AgentExpired),
        };
    }

    private async Task WaitAsync(Task wake, TimeSpan atMost, CancellationToken cancellation)
    {
        if (atMost <= TimeSpan.Zero) return;
        using var timer = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        await Task.WhenAny(wake, Task.Delay(atMost, time, timer.Token));
        await timer.CancelAsync();
        cancellation.ThrowIfCancellationRequested();
    }

    private static DateTimeOffset Earliest(DateTimeOffset first, DateTimeOffset second, DateTimeOffset? third)
    {
        var earliest = first < second ? first : second;
        return third < earliest ? third.Value : earliest;
    }
}
