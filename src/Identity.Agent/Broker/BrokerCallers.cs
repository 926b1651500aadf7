using System.Security.Cryptography.X509Certificates;
using Grpc.Core;
using Identity.Agent.ControlPlane;
using Microsoft.AspNetCore.Http.Features;
using Spiffe.Net;

namespace Identity.Agent.Broker;

/// <summary>Who is at the other end of a broker connection, as its X509-SVID proved.</summary>
internal sealed record BrokerCaller(SpiffeId Id, DateTimeOffset TrustedUntil);

/// <summary>Lets a client of the broker socket in, at the handshake and again at each call.</summary>
internal sealed partial class BrokerCallers(AgentOptions options, ViewHolder views, TimeProvider time, ILogger<BrokerCallers> log)
{
    // For all of them together: whoever may open the socket may fail at the handshake as often as it likes, and the log is not theirs to fill.
    private readonly TokenBuckets<bool> _warnings = new(time, burst: 60, TimeSpan.FromSeconds(1), maxKeys: 1);
    private long _untold;

    public bool TryAdmit(IFeatureCollection connection, X509Certificate? certificate, X509Chain? chain)
    {
        var bundles = views.Current?.Bundles ?? TrustBundleSet.Empty;
        switch (SvidTls.Verify(certificate, chain, bundles, time.GetUtcNow()))
        {
            case X509SvidVerification.Verified verified when verified.Id.IsMemberOf(options.TrustDomain):
                connection.Set(new BrokerCaller(verified.Id, verified.TrustedUntil));
                return true;
            case X509SvidVerification.Verified verified:
                Refuse($"{verified.Id} is not of the trust domain {options.TrustDomain}");
                return false;
            case X509SvidVerification.Refused refused:
                Refuse(refused.Reason);
                return false;
            default:
                return false;
        }
    }

    /// <summary>The caller of this call. An SVID that expired since the handshake no longer speaks for anyone.</summary>
    public BrokerCaller Of(ServerCallContext context)
    {
        var caller = context.GetHttpContext().Features.Get<BrokerCaller>()
            ?? throw new RpcException(new Status(StatusCode.Unauthenticated, "this socket asks for an X509-SVID"));
        if (time.GetUtcNow() > caller.TrustedUntil)
            throw new RpcException(new Status(StatusCode.Unauthenticated, $"the X509-SVID of {caller.Id}, or an authority above it, expired at {caller.TrustedUntil:O}; connect again with a new one"));
        return caller;
    }

    private void Refuse(string reason)
    {
        if (!_warnings.TryTake(true)) Interlocked.Increment(ref _untold);
        else if (Interlocked.Exchange(ref _untold, 0) is > 0 and var untold) RefusedWithMore(reason, untold);
        else Refused(reason);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "a client of the broker socket is refused: {Reason}")]
    private partial void Refused(string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "a client of the broker socket is refused: {Reason}; {Untold} more were before, which came too fast to be written down")]
    private partial void RefusedWithMore(string reason, long untold);
}
