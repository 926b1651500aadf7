using Grpc.Core;
using Identity.Agent.ControlPlane;

namespace Identity.Agent.NodeEnrollment;

/// <summary>Sees to it that this node has an SVID before anything is served, and keeps it fresh.</summary>
internal sealed partial class NodeEnroller(
    AgentOptions options,
    NodeIdentity identity,
    NodeAttestor attestor,
    ServerConnection server,
    ServerTrust trust,
    ViewHolder views,
    ChangeFeed changes,
    TimeProvider time,
    ILogger<NodeEnroller> log) : BackgroundService
{
    private readonly BackOff _backOff = new(TimeSpan.FromMilliseconds(500), TimeSpan.FromSeconds(30));

    /// <summary>Returns when the node has an SVID; waits for a server that is away, throws when waiting will not help.</summary>
    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        PrivateFiles.CreateDirectory(options.DataDirectory);
        if (TryReuse(out var problem))
        {
            Reused(identity.Current.Id, identity.Current.NotAfter);
            views.LoadStored();
        }
        else
        {
            trust.UseBootstrap();
            await AttestAsync(problem, cancellationToken);
            views.ForgetStored();
        }

        server.Present(identity.Current);
        await base.StartAsync(cancellationToken);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var due = BackOff.HalfLife(identity.Current.NotBefore, identity.Current.NotAfter);
        while (true)
        {
            await WaitUntilAsync(due, stoppingToken);
            try
            {
                var before = identity.Current;
                var renewed = await attestor.RenewAsync(before, stoppingToken);
                Keep(renewed);
                await server.PresentOnceAnsweredAsync(renewed, before.NotAfter, stoppingToken);
                changes.Signal();
                Renewed(renewed.Id, renewed.NotAfter);
                _backOff.Reset();
                due = BackOff.HalfLife(renewed.NotBefore, renewed.NotAfter);
            }
            catch (Exception e) when (e is RpcException or OperationCanceledException && !stoppingToken.IsCancellationRequested)
            {
                RenewalFailed(Describe(e), identity.Current.NotAfter);
                // By the time that passes: the clock by which it failed may be wrong, and be set back.
                await Task.Delay(_backOff.Next(), time, stoppingToken);
                due = DateTimeOffset.MinValue;
            }
        }
    }

    // With each change it looks at the clock, which may have been set (ClockWatch).
    private async Task WaitUntilAsync(DateTimeOffset due, CancellationToken cancellation)
    {
        while (due - time.GetUtcNow() is { Ticks: > 0 } wait)
        {
            var change = changes.Current;
            using var waiting = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            await Task.WhenAny(Task.Delay(wait, time, waiting.Token), change.Passed);
            await waiting.CancelAsync();
            cancellation.ThrowIfCancellationRequested();
        }
    }

    // A full disk is no reason to stop serving.
    private void Keep(Spiffe.Net.X509Svid renewed)
    {
        try
        {
            identity.Adopt(renewed);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            NotKept(renewed.NotAfter, e.Message);
        }
    }

    private bool TryReuse(out string? problem)
    {
        problem = null;
        return trust.TryUseStored() && identity.TryLoad(trust.Bundles, time.GetUtcNow(), out problem);
    }

    private async Task AttestAsync(string? storedProblem, CancellationToken cancellation)
    {
        var token = attestor.ReadJoinToken();
        while (true)
        {
            try
            {
                identity.Adopt(await attestor.AttestAsync(token, cancellation));
                Attested(identity.Current.Id, identity.Current.NotAfter);
                return;
            }
            catch (RpcException) when (cancellation.IsCancellationRequested)
            {
                throw new OperationCanceledException(cancellation);
            }
            catch (RpcException e) when (IsFinal(e.StatusCode))
            {
                var before = storedProblem is null ? "" : $" ({storedProblem})";
                throw new StartRefusedException(
                    $"the server at {options.Server} refused this node's join token: {e.Status.Detail}; a token works once and not for long, so create a new one{before}");
            }
            catch (Exception e) when (e is RpcException or OperationCanceledException && !cancellation.IsCancellationRequested)
            {
                AttestationWaits(options.Server, Describe(e));
                await Task.Delay(_backOff.Next(), time, cancellation);
            }
        }
    }

    private static bool IsFinal(StatusCode status) => status is StatusCode.InvalidArgument or StatusCode.PermissionDenied or StatusCode.Unauthenticated
        or StatusCode.NotFound or StatusCode.AlreadyExists or StatusCode.FailedPrecondition or StatusCode.Unimplemented;

    private static string Describe(Exception e) => e is RpcException rpc ? rpc.StatusCode.ToString() : "no answer in time";

    [LoggerMessage(Level = LogLevel.Information, Message = "this node is attested as {SpiffeId}; its SVID is good until {NotAfter:O}")]
    private partial void Attested(Spiffe.Net.SpiffeId spiffeId, DateTimeOffset notAfter);

    [LoggerMessage(Level = LogLevel.Information, Message = "this node is {SpiffeId} by its stored SVID, good until {NotAfter:O}")]
    private partial void Reused(Spiffe.Net.SpiffeId spiffeId, DateTimeOffset notAfter);

    [LoggerMessage(Level = LogLevel.Information, Message = "the SVID of {SpiffeId} is renewed until {NotAfter:O}")]
    private partial void Renewed(Spiffe.Net.SpiffeId spiffeId, DateTimeOffset notAfter);

    [LoggerMessage(Level = LogLevel.Warning, Message = "this node's SVID is not renewed ({Reason}); it is good until {NotAfter:O}, trying again")]
    private partial void RenewalFailed(string reason, DateTimeOffset notAfter);

    [LoggerMessage(Level = LogLevel.Error, Message =
        "the renewed SVID of this node, good until {NotAfter:O}, is in use and cannot be stored ({Problem}): make room or repair the data folder, or a restart will need a new join token")]
    private partial void NotKept(DateTimeOffset notAfter, string problem);

    [LoggerMessage(Level = LogLevel.Warning, Message = "cannot attest at {Server} ({Reason}); trying again")]
    private partial void AttestationWaits(string server, string reason);
}
