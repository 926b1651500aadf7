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

/// <summary>The agent's sockets: one for any process of this node, one for hosts that prove who they are, and where asked for a port for those who need no identity.</summary>
internal static class EndpointsSetup
{
    private const int MaxMessageBytes = 64 << 10;
    private const int MaxTcpConnections = 256;

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
        builder.Services.Configure<SocketTransportOptions>(transport =>
        {
            transport.CreateBoundListenSocket = endpoint => Bind(endpoint, options);
            transport.Backlog = 4096;
        });

        builder.Services.AddSingleton(ConnectionLimits.OfThisProcess());
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            var limits = kestrel.ApplicationServices.GetRequiredService<ConnectionLimits>();
            kestrel.AddServerHeader = false;
            // Each endpoint bounds its own, by caller: a bound on all of them would let the callers of one keep out those of another.
            kestrel.Limits.MaxConcurrentConnections = null;
            kestrel.Limits.Http2.MaxStreamsPerConnection = 1000;
            // Streams are silent for hours by design; pings, not data rates, tell whether the peer is there.
            kestrel.Limits.MinRequestBodyDataRate = null;
            kestrel.Limits.MaxRequestBodySize = null;
            kestrel.Limits.Http2.KeepAlivePingDelay = TimeSpan.FromSeconds(30);
            kestrel.Limits.Http2.KeepAlivePingTimeout = TimeSpan.FromSeconds(20);
            kestrel.ListenUnixSocket(options.WorkloadSocket, listen => ListenForWorkloads(listen, kestrel.ApplicationServices, new FairShares(limits.Workloads)));
            kestrel.ListenUnixSocket(options.BrokerSocket, listen => ListenForHosts(listen, kestrel.ApplicationServices, new FairShares(limits.Hosts)));
            if (options.UnidentifiedTcp is { } tcp) kestrel.Listen(tcp, listen => ListenForStrangers(listen, new SemaphoreSlim(MaxTcpConnections)));
        });
    }

    private static Socket Bind(EndPoint endpoint, AgentOptions options) => endpoint switch
    {
        UnixDomainSocketEndPoint socket => UnixListener.Bind(socket, socket.ToString() == options.WorkloadSocket ? UnixListener.Everyone : UnixListener.OwnerAndGroup),
        IPEndPoint ip when ip.Equals(options.UnidentifiedTcp) => SocketTransportOptions.CreateDefaultBoundListenSocket(ip),
        _ => throw new StartRefusedException($"the agent listens on what its settings name, not on {endpoint}"),
    };

    private static void ListenForWorkloads(ListenOptions listen, IServiceProvider services, FairShares shares)
    {
        var processes = services.GetRequiredService<PeerProcesses>();
        var users = services.GetRequiredService<SubordinateUsers>();
        listen.Protocols = HttpProtocols.Http2;
        listen.Use(next => async connection =>
        {
            var socket = connection.Features.Get<IConnectionSocketFeature>()!.Socket;
            // Who cannot be established, or has more than its share, gets no conversation.
            if (!PeerProcesses.TryReadCredentials(socket, out var caller)) return;
            var owner = users.OwnerOf(caller.Uid);
            using var share = shares.TryTake(owner);
            if (share is null) return;
            using var peer = processes.TryConnect(socket, owner: owner);
            if (peer is null) return;
            connection.Features.Set(new EndpointFeature(AgentEndpoint.Workload));
            connection.Features.Set(peer);
            await next(connection);
        });
    }

    // The kernel names no process at the other end of a TCP connection, so nobody here is anyone: such a connection carries no PeerConnection, and what asks
    // for an identity is refused (SPIFFE Workload Endpoint §3: TCP only where the network itself authenticates strongly, which loopback does not).
    private static void ListenForStrangers(ListenOptions listen, SemaphoreSlim places)
    {
        listen.Protocols = HttpProtocols.Http2;
        listen.Use(next => async connection =>
        {
            // Nobody tells them apart, so there is nothing to share out among them.
            if (!places.Wait(TimeSpan.Zero, CancellationToken.None)) return;
            try
            {
                connection.Features.Set(new EndpointFeature(AgentEndpoint.Workload));
                await next(connection);
            }
            finally
            {
                places.Release();
            }
        });
    }

    private static void ListenForHosts(ListenOptions listen, IServiceProvider services, FairShares shares)
    {
        var identity = services.GetRequiredService<NodeIdentity>();
        var callers = services.GetRequiredService<BrokerCallers>();
        var users = services.GetRequiredService<SubordinateUsers>();
        listen.Protocols = HttpProtocols.Http2;
        listen.Use(next => async connection =>
        {
            if (!PeerProcesses.TryReadCredentials(connection.Features.Get<IConnectionSocketFeature>()!.Socket, out var caller)) return;
            using var share = shares.TryTake(users.OwnerOf(caller.Uid));
            if (share is null) return;
            connection.Features.Set(new EndpointFeature(AgentEndpoint.Broker));
            await next(connection);
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
