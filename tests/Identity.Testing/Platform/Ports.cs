using System.Net;
using System.Net.Sockets;

namespace Identity.Testing.Platform;

/// <summary>The loopback ports of one platform.</summary>
public sealed record Ports(int Grpc, int Istio, int Nats, int NatsMonitoring)
{
    public static Ports Default { get; } = new(8081, 15012, 4222, 8222);

    /// <summary>Ports that were free a moment ago.</summary>
    public static Ports Any()
    {
        var listeners = Enumerable.Range(0, 4).Select(_ => new TcpListener(IPAddress.Loopback, 0)).ToArray();
        foreach (var listener in listeners)
            listener.Start();
        var ports = listeners.Select(listener => ((IPEndPoint)listener.LocalEndpoint).Port).ToArray();
        foreach (var listener in listeners)
            listener.Dispose();
        return new(ports[0], ports[1], ports[2], ports[3]);
    }

    /// <summary>The first port somebody else listens on, with what we want it for.</summary>
    public (int Port, string Use)? InUse()
    {
        foreach (var (port, use) in new[] { (Grpc, "identityd's gRPC"), (Istio, "the Istio CA"), (Nats, "nats-server"), (NatsMonitoring, "nats-server's monitoring") })
        {
            try
            {
                using var listener = new TcpListener(IPAddress.Loopback, port);
                listener.Start();
            }
            catch (SocketException)
            {
                return (port, use);
            }
        }
        return null;
    }
}
