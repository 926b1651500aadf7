using System.Net.Sockets;
using Grpc.Core;
using Grpc.Net.Client;
using Spiffe.WorkloadApi.V1;

namespace Identity.Benchmarks.WorkloadApi;

/// <summary>One HTTP/2 connection to a Unix socket.</summary>
internal sealed class UnixChannel : IDisposable
{
    public static readonly Metadata Header = new() { { "workload.spiffe.io", "true" } };

    public UnixChannel(string path)
    {
        Channel = GrpcChannel.ForAddress("http://localhost", new GrpcChannelOptions
        {
            DisposeHttpClient = true,
            HttpHandler = new SocketsHttpHandler
            {
                ConnectCallback = async (_, cancellation) =>
                {
                    var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                    await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellation);
                    return new NetworkStream(socket, ownsSocket: true);
                },
            },
        });
        Workload = new SpiffeWorkloadAPI.SpiffeWorkloadAPIClient(Channel);
    }

    public GrpcChannel Channel { get; }

    public SpiffeWorkloadAPI.SpiffeWorkloadAPIClient Workload { get; }

    public void Dispose() => Channel.Dispose();
}
