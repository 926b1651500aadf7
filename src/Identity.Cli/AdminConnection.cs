using System.CommandLine;
using System.Net.Sockets;
using Grpc.Net.Client;

namespace Identity.Cli;

/// <summary>
/// A channel to the server: gRPC over its admin socket, where the kernel says who is calling, or over the network, where an SVID does.
/// </summary>
internal static class AdminConnection
{
    // Long documents are answered whole.
    private const int MaxMessageBytes = 64 << 20;

    public static GrpcChannel Open(ParseResult parsed)
    {
        if (GlobalOptions.ServerAddress(parsed) is { } server)
            return GrpcChannel.ForAddress(server, new GrpcChannelOptions { MaxReceiveMessageSize = MaxMessageBytes, DisposeHttpClient = true, HttpHandler = new RemoteHandler() });
        var socket = GlobalOptions.AdminSocket(parsed);
        if (System.Text.Encoding.UTF8.GetByteCount(socket) > 107)
            throw new UsageException($"the admin socket's path is longer than the 107 bytes a Unix socket allows: {socket}");
        var endpoint = new UnixDomainSocketEndPoint(socket);
        return GrpcChannel.ForAddress("http://localhost", new GrpcChannelOptions
        {
            MaxReceiveMessageSize = MaxMessageBytes,
            DisposeHttpClient = true,
            HttpHandler = new SocketsHttpHandler
            {
                ConnectCallback = async (_, cancellation) =>
                {
                    var connection = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                    try
                    {
                        await connection.ConnectAsync(endpoint, cancellation);
                        return new NetworkStream(connection, ownsSocket: true);
                    }
                    catch
                    {
                        connection.Dispose();
                        throw;
                    }
                },
            },
        });
    }
}
