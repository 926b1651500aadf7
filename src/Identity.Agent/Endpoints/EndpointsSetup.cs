using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Identity.Agent.Broker;
using Identity.Agent.NodeEnrollment;
using Identity.Agent.WorkloadAttestation;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;

namespace Identity.Agent.Endpoints;

/// <summary>The agent's two sockets: one for any process of this node, one for hosts that prove who they are.</summary>
internal static class EndpointsSetup
{
    private const int MaxMessageBytes = 64 << 10;

    public static void AddEndpoints(this WebApplicationBuilder builder, AgentOptions options)
    {
        builder.Services.AddGrpc(grpc =>
        {
            grpc.MaxReceiveMessageSize = MaxMessageBytes;
            grpc.Interceptors.Add<EndpointGate>();
        });
        builder.Services.AddSingleton<EndpointGate>();
        builder.Services.AddSingleton<AgentHealth>();
        builder.Services.AddGrpcHealthChecks().AddCheck<AgentHealth>("agent");
        builder.Services.Configure<SocketTransportOptions>(transport => transport.CreateBoundListenSocket = endpoint => Bind(endpoint, options));

        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxConcurrentConnections = 4000;
            kestrel.Limits.Http2.MaxStreamsPerConnection = 1000;
            // Streams are silent for hours by design; pings, not data rates, tell whether the peer is there.
            kestrel.Limits.MinRequestBodyDataRate = null;
            kestrel.Limits.MaxRequestBodySize = null;
            kestrel.Limits.Http2.KeepAlivePingDelay = TimeSpan.FromSeconds(30);
            kestrel.Limits.Http2.KeepAlivePingTimeout = TimeSpan.FromSeconds(20);
            kestrel.ListenUnixSocket(options.WorkloadSocket, ListenForWorkloads);
            kestrel.ListenUnixSocket(options.BrokerSocket, listen => ListenForHosts(listen, kestrel.ApplicationServices));
        });
    }

    private static Socket Bind(EndPoint endpoint, AgentOptions options) => endpoint is UnixDomainSocketEndPoint socket
        ? UnixListener.Bind(socket, socket.ToString() == options.WorkloadSocket ? UnixListener.Everyone : UnixListener.OwnerAndGroup)
        : throw new StartRefusedException($"the agent listens on Unix sockets only, not on {endpoint}");

    private static void ListenForWorkloads(ListenOptions listen)
    {
        listen.Protocols = HttpProtocols.Http2;
        listen.Use(next => async connection =>
        {
            using var peer = PeerConnection.Of(connection.Features.Get<IConnectionSocketFeature>()!.Socket);
            // Who cannot be established gets no conversation.
            if (peer is null) return;
            connection.Features.Set(new EndpointFeature(AgentEndpoint.Workload));
            connection.Features.Set(peer);
            await next(connection);
        });
    }

    private static void ListenForHosts(ListenOptions listen, IServiceProvider services)
    {
        var identity = services.GetRequiredService<NodeIdentity>();
        var callers = services.GetRequiredService<BrokerCallers>();
        listen.Protocols = HttpProtocols.Http2;
        listen.Use(next => connection =>
        {
            connection.Features.Set(new EndpointFeature(AgentEndpoint.Broker));
            return next(connection);
        });
        // Broker Endpoint §5: mutual TLS with X509-SVIDs, on a Unix socket too. Each handshake takes the SVID of that moment.
        listen.UseHttps(new TlsHandshakeCallbackOptions
        {
            HandshakeTimeout = TimeSpan.FromSeconds(5),
            OnConnection = handshake => ValueTask.FromResult(new SslServerAuthenticationOptions
            {
                EnabledSslProtocols = SslProtocols.Tls13,
                AllowTlsResume = false,
                ServerCertificateContext = SvidTls.ContextOf(identity.Current),
                ClientCertificateRequired = true,
                CertificateChainPolicy = SvidTls.OfflinePolicy(),
                RemoteCertificateValidationCallback = (_, certificate, chain, _) => callers.TryAdmit(handshake.Connection.Features, certificate, chain),
            }),
        });
    }
}
