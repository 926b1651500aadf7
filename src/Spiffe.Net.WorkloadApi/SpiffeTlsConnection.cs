using System.Net.Security;

namespace Spiffe.Net.WorkloadApi;

/// <summary>A TLS connection whose peer is genuine and authorized. Disposing it closes the transport too.</summary>
public sealed class SpiffeTlsConnection : IAsyncDisposable
{
    internal SpiffeTlsConnection(SslStream stream, SpiffeId peer)
    {
        Stream = stream;
        Peer = peer;
    }

    /// <summary>What to read and write.</summary>
    public SslStream Stream { get; }

    /// <summary>Who is at the other end.</summary>
    public SpiffeId Peer { get; }

    /// <summary>Closes the connection.</summary>
    public ValueTask DisposeAsync() => Stream.DisposeAsync();
}
