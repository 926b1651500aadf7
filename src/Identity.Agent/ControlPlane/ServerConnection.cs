using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Grpc.Core;
using Grpc.Net.Client;
using Identity.Agent.NodeEnrollment;
using Spiffe.Net;
using Spire.Api.Server.Bundle.V1;

namespace Identity.Agent.ControlPlane;

/// <summary>Calls to identityd: TLS 1.3, the server known by its X509-SVID, ourselves by ours once we have one.</summary>
internal sealed partial class ServerConnection(
    AgentOptions options, ServerTrust trust, TimeProvider time, ILogger<ServerConnection> log) : IDisposable
{
    private static readonly TimeSpan ReconnectPause = TimeSpan.FromMilliseconds(50);

    private static readonly TimeSpan AnswerWithin = TimeSpan.FromSeconds(10);

    private GrpcChannel? _channel;
    private SocketsHttpHandler? _handler;

    /// <summary>The channel that presents this node's SVID. Throws before there is one.</summary>
    public GrpcChannel Channel => _channel ?? throw new InvalidOperationException("the agent has no SVID yet");

    /// <summary>Every call from now on presents this SVID. Calls in flight end, so that none goes on under the old one.</summary>
    public void Present(X509Svid identity) => Use(Open(identity));

    /// <summary>
    /// The same, once the server has answered it: the connection there is stays in use until then, for a door that is full, or a server that does not take the new
    /// one yet, must not cost what works. Returns at the latest when the old SVID has ended.
    /// </summary>
    /// <param name="oldUntil">When the SVID presented now ends.</param>
    public async Task PresentOnceAnsweredAsync(X509Svid identity, DateTimeOffset oldUntil, CancellationToken cancellation)
    {
        var pause = new BackOff(TimeSpan.FromMilliseconds(500), TimeSpan.FromSeconds(30));
        for (var isFirst = true; ; isFirst = false)
        {
            var opened = Open(identity);
            try
            {
                if (await AnswersAsync(opened.Channel, cancellation) || oldUntil <= time.GetUtcNow())
                {
                    Use(opened);
                    return;
                }
            }
            catch
            {
                Close(opened);
                throw;
            }

            Close(opened);
            if (isFirst) StaysWithTheOld(options.Server, oldUntil);
            await Task.Delay(pause.Next(), time, cancellation);
        }
    }

    /// <summary>A channel without a client certificate, for attestation.</summary>
    public (GrpcChannel Channel, SocketsHttpHandler Handler) OpenAnonymous() => Open(null);

    public void Dispose()
    {
        _channel?.Dispose();
        _handler?.Dispose();
    }

    private void Use((GrpcChannel Channel, SocketsHttpHandler Handler) opened)
    {
        var (oldChannel, oldHandler) = (_channel, _handler);
        (_channel, _handler) = opened;
        oldChannel?.Dispose();
        oldHandler?.Dispose();
    }

    private static void Close((GrpcChannel Channel, SocketsHttpHandler Handler) opened)
    {
        opened.Channel.Dispose();
        opened.Handler.Dispose();
    }

    // Any word of the server's will do, also that it does not know the question: it has taken the connection and the certificate.
    private static async Task<bool> AnswersAsync(GrpcChannel channel, CancellationToken cancellation)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        deadline.CancelAfter(AnswerWithin);
        try
        {
            await new Bundle.BundleClient(channel).GetBundleAsync(new GetBundleRequest(), cancellationToken: deadline.Token);
            return true;
        }
        catch (Exception e) when (e is RpcException or OperationCanceledException)
        {
            cancellation.ThrowIfCancellationRequested();
            return e is RpcException { StatusCode: StatusCode.Unimplemented or StatusCode.PermissionDenied or StatusCode.Unauthenticated or StatusCode.ResourceExhausted };
        }
    }

    private (GrpcChannel Channel, SocketsHttpHandler Handler) Open(X509Svid? identity)
    {
        var tls = new SslClientAuthenticationOptions
        {
            EnabledSslProtocols = SslProtocols.Tls13,
            AllowTlsResume = false,
            CertificateChainPolicy = SvidTls.OfflinePolicy(),
            RemoteCertificateValidationCallback = (_, certificate, chain, _) => IsServer(certificate, chain),
        };
        if (identity is not null) tls.ClientCertificateContext = SvidTls.ContextOf(identity);
        var handler = new SocketsHttpHandler
        {
            SslOptions = tls,
            UseProxy = false,
            EnableMultipleHttp2Connections = true,
            ConnectTimeout = TimeSpan.FromSeconds(5),
            KeepAlivePingDelay = TimeSpan.FromSeconds(15),
            KeepAlivePingTimeout = TimeSpan.FromSeconds(10),
            KeepAlivePingPolicy = HttpKeepAlivePingPolicy.WithActiveRequests,
            PooledConnectionIdleTimeout = Timeout.InfiniteTimeSpan,
        };
        var channel = GrpcChannel.ForAddress($"https://{options.Server}", new GrpcChannelOptions
        {
            HttpHandler = handler,
            MaxReceiveMessageSize = 256 << 20,
            DisposeHttpClient = false,

            // Who calls waits between attempts and grows no pause past half a minute. The channel's own, two minutes at most unless told, would come on top of it.
            InitialReconnectBackoff = ReconnectPause,
            MaxReconnectBackoff = ReconnectPause,
        });
        return (channel, handler);
    }

    private bool IsServer(X509Certificate? certificate, X509Chain? chain)
    {
        var verification = SvidTls.Verify(certificate, chain, trust.Bundles, time.GetUtcNow());
        switch (verification)
        {
            case X509SvidVerification.Verified verified when verified.Id == options.ServerId:
                return true;
            case X509SvidVerification.Verified verified:
                WrongServer(options.Server, $"it is {verified.Id}, not {options.ServerId}");
                return false;
            case X509SvidVerification.Refused refused:
                WrongServer(options.Server, refused.Reason);
                return false;
            default:
                return false;
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "the server at {Server} does not answer a connection with this node's new SVID; the one with the old SVID stays in use, until {NotAfter:O} at most")]
    private partial void StaysWithTheOld(string server, DateTimeOffset notAfter);

    [LoggerMessage(Level = LogLevel.Error, Message = "what answers at {Server} is not our server: {Reason}")]
    private partial void WrongServer(string server, string reason);
}
