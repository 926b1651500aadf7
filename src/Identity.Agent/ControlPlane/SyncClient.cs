using Grpc.Core;
using Identity.Agent.Decisions;
using Identity.Agent.NodeEnrollment;
using Identity.Agent.SvidCache;
using Refusal = Spire.Api.Types.PermissionDeniedDetails.Types.Reason;

namespace Identity.Agent.ControlPlane;

/// <summary>Holds the Sync call open: takes snapshots, tells reports, and says how long the agent can go on alone.</summary>
internal sealed partial class SyncClient(
    AgentOptions options,
    ServerConnection server,
    NodeIdentity identity,
    ViewHolder views,
    AgentReports reports,
    X509SvidCache svids,
    TimeProvider time,
    ILogger<SyncClient> log) : BackgroundService
{
    private static readonly TimeSpan ShortestRefresh = TimeSpan.FromSeconds(5);

    private readonly BackOff _backOff = new(TimeSpan.FromMilliseconds(200), TimeSpan.FromSeconds(10));
    private bool? _isServerThere;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (true)
        {
            var channel = server.Channel;
            // Asks anew before what was told grows old: while the server is there, this agent never runs out.
            using var refresh = new CancellationTokenSource(Timeout.InfiniteTimeSpan, time);
            try
            {
                await SubscribeAsync(new V1.Sync.SyncClient(channel), refresh, stoppingToken);
            }
            // Whom the server merely finds expired or cannot verify may live beside a clock that is wrong: that is an outage, and what was told ends by itself.
            catch (RpcException e) when (e.StatusCode is StatusCode.PermissionDenied
                && ServerRefusal.ReasonOf(e.Trailers) is Refusal.AgentBanned or Refusal.AgentNotAttested or Refusal.AgentNotActive)
            {
                Expelled(options.Server, e.Status.Detail);
                views.Revoke(DecisionOf(e.Trailers));
                _isServerThere = false;
                try
                {
                    identity.ForgetStored();
                }
                catch (Exception stays) when (stays is IOException or UnauthorizedAccessException)
                {
                    IdentityStays(options.DataDirectory, stays.Message);
                }
            }
            catch (Exception e) when (e is RpcException or OperationCanceledException or InvalidOperationException or IOException)
            {
                stoppingToken.ThrowIfCancellationRequested();
                // Not an outage: this node's own SVID changed, or the refresh is due.
                if (refresh.IsCancellationRequested || !ReferenceEquals(channel, server.Channel)) continue;
                SayGone(e switch
                {
                    RpcException { StatusCode: StatusCode.PermissionDenied } refused => $"it refuses this node, perhaps for a clock that is wrong here or there: {refused.Status.Detail}",
                    RpcException rpc => rpc.StatusCode.ToString(),
                    _ => "the connection ended",
                });
            }

            await Task.Delay(_backOff.Next(), time, stoppingToken);
        }
    }

    // What a server says is checked as anybody's words are: workloads are told it.
    private static string? DecisionOf(Metadata trailers) => trailers.GetValue("identity-decision-id") is { } id && DecisionLog.IsWellFormed(id) ? id : null;

    private async Task SubscribeAsync(V1.Sync.SyncClient sync, CancellationTokenSource refresh, CancellationToken cancellation)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellation, refresh.Token);
        using var call = sync.Subscribe(new Metadata { { PackedDocuments.AcceptHeader, PackedDocuments.Brotli } }, cancellationToken: ending.Token);
        reports.StartOver();
        var telling = TellAsync(call.RequestStream, ending.Token);
        try
        {
            while (await call.ResponseStream.MoveNext(ending.Token))
            {
                var snapshot = call.ResponseStream.Current;
                // A new call begins with the whole: what was refused is told again then, and nothing told after it is lost meanwhile.
                if (!views.Accept(snapshot, store: true)) throw new RpcException(new Status(StatusCode.Aborted, "its snapshot was refused"));
                SayBack(snapshot.Revision);
                if (snapshot.FreshUntil is null) continue;
                var third = (snapshot.FreshUntil.ToDateTimeOffset() - time.GetUtcNow()) / 3;
                refresh.CancelAfter(third * 2 > ShortestRefresh ? third * 2 : ShortestRefresh);
            }

            throw new RpcException(new Status(StatusCode.Unavailable, "the server ended the call"));
        }
        finally
        {
            await ending.CancelAsync();
            await telling;
        }
    }

    private async Task TellAsync(IClientStreamWriter<V1.AgentReport> stream, CancellationToken cancellation)
    {
        V1.AgentReport? telling = null;
        try
        {
            while (true)
            {
                telling = await reports.NextAsync(cancellation);
                await stream.WriteAsync(telling, cancellation);
                telling = null;
            }
        }
        catch (Exception e) when (e is RpcException or OperationCanceledException or InvalidOperationException)
        {
            // The call is over; its reader tells why, and the next call starts with everything.
            if (telling is not null) reports.ToldInVain(telling);
        }
    }

    private void SayBack(ulong revision)
    {
        _backOff.Reset();
        if (_isServerThere is true) return;
        _isServerThere = true;
        ServerIsThere(options.Server, revision);
    }

    private void SayGone(string reason)
    {
        if (_isServerThere is false) return;
        _isServerThere = false;
        var now = time.GetUtcNow();
        if (views.Current is not { } view) ServerAwayAtStart(options.Server, reason);
        else if (view.IsFresh(now)) ServerAway(options.Server, reason, view.FreshUntil, identity.Current.NotAfter, svids.EarliestExpiry);
        else ServerAwayAndStale(options.Server, reason, view.FreshUntil, identity.Current.NotAfter, svids.EarliestExpiry);
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "in touch with the server at {Server}, revision {Revision}")]
    private partial void ServerIsThere(string server, ulong revision);

    [LoggerMessage(Level = LogLevel.Warning, Message = "the server at {Server} is away ({Reason}) and nothing was ever told to this node; trying again")]
    private partial void ServerAwayAtStart(string server, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "the server at {Server} is away ({Reason}): policy is decided here until {FreshUntil:O}, this node's SVID is good until {NodeSvidUntil:O}, the first workload SVID expires at {FirstSvidExpires:O}")]
    private partial void ServerAway(string server, string reason, DateTimeOffset freshUntil, DateTimeOffset nodeSvidUntil, DateTimeOffset? firstSvidExpires);

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "the server at {Server} is away ({Reason}): what it told is good until {FreshUntil:O} only, so no component is admitted; this node's SVID is good until {NodeSvidUntil:O}, the first workload SVID expires at {FirstSvidExpires:O}")]
    private partial void ServerAwayAndStale(string server, string reason, DateTimeOffset freshUntil, DateTimeOffset nodeSvidUntil, DateTimeOffset? firstSvidExpires);

    [LoggerMessage(Level = LogLevel.Error, Message = "this node's identity in '{Folder}' cannot be deleted ({Problem}); the server refuses it in any case")]
    private partial void IdentityStays(string folder, string problem);

    [LoggerMessage(Level = LogLevel.Error, Message = "the server at {Server} does not want this node any more ({Detail}): all its identities and admissions end; to bring the node back, restart it with a new join token")]
    private partial void Expelled(string server, string detail);
}
