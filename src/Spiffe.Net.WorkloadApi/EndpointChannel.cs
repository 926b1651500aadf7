using System.Net;
using System.Net.Sockets;
using Grpc.Net.Client;

namespace Spiffe.Net.WorkloadApi;

/// <summary>A gRPC channel to a Workload API: HTTP/2 in the clear (SPIFFE Workload Endpoint §3.1), straight to the socket.</summary>
internal static class EndpointChannel
{
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(5);

    // Bytes. gRPC's own 4 MiB could be filled by the bundles of foreign trust domains, and then our own rotation would never come through.
    private const int MaxResponse = 64 << 20;

    private static readonly TimeSpan PingTimeout = TimeSpan.FromSeconds(20);

    /// <param name="tcpPing">How long a stream may be silent until the other end is asked whether it is there. A Unix socket needs no such question: the kernel tells.</param>
    public static GrpcChannel Create(WorkloadEndpoint endpoint, TimeSpan tcpPing)
    {
        var handler = new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancellation) => await ConnectAsync(endpoint.Address, cancellation).ConfigureAwait(false),
            ConnectTimeout = ConnectTimeout,

            // A proxy named by the environment must never see this traffic.
            UseProxy = false,
            AllowAutoRedirect = false,
            UseCookies = false,
            EnableMultipleHttp2Connections = true,

            // A host that is gone, or a firewall that forgot the connection, says nothing, and so does a stream on which nothing changed.
            KeepAlivePingPolicy = HttpKeepAlivePingPolicy.WithActiveRequests,
            KeepAlivePingDelay = endpoint.Address is UnixDomainSocketEndPoint ? Timeout.InfiniteTimeSpan : tcpPing,
            KeepAlivePingTimeout = tcpPing < PingTimeout ? tcpPing : PingTimeout,
        };
        return GrpcChannel.ForAddress("http://localhost", new GrpcChannelOptions
        {
            HttpHandler = handler,
            DisposeHttpClient = true,
            MaxReceiveMessageSize = MaxResponse,

            // True would turn some lost connections into cancellations too; the client tells them apart itself.
            ThrowOperationCanceledOnCancellation = false,
        });
    }

    private static async Task<NetworkStream> ConnectAsync(EndPoint address, CancellationToken cancellation)
    {
        var socket = address is UnixDomainSocketEndPoint
            ? new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
            : new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(address, cancellation).ConfigureAwait(false);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
