using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;

namespace Spiffe.Net.WorkloadApi;

/// <summary>
/// The client's end of a connection. With TLS 1.3 a server refuses us after our handshake is done, and the platform then shows the end of a stream: whoever waited for
/// the server to close would take a no for a yes. So an end before the first byte is an <see cref="IOException"/> that says what it may mean.
/// </summary>
/// <param name="transport">Owned.</param>
/// <param name="isPooled">Whether an HTTP handler uses and closes it, and the caller sees nothing but what is thrown here.</param>
internal sealed class ClientTls(Stream transport, bool isPooled) : SslStream(transport, leaveInnerStreamOpen: false)
{
    private ConnectionWatch? _watch;
    private volatile bool _hasHeard;
    private volatile bool _isCut;

    /// <summary>Cuts the connection when an SVID of it has ended.</summary>
    public void EndsWith(PeerCheck check, Action end, Socket socket) => _watch = new ConnectionWatch(check, end, () =>
    {
        // The socket and not the stream: whoever reads then is told of a connection that broke.
        _isCut = true;
        socket.Dispose();
    });

    public override int Read(Span<byte> buffer)
    {
        int count;
        try
        {
            count = base.Read(buffer);
        }
        catch (Exception e) when (IsEnd(e))
        {
            throw Ended(e);
        }

        return Heard(count, buffer.Length);
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override int ReadByte()
    {
        Span<byte> one = stackalloc byte[1];
        return Read(one) == 1 ? one[0] : -1;
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        int count;
        try
        {
            count = await base.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (IsEnd(e))
        {
            throw Ended(e);
        }

        return Heard(count, buffer.Length);
    }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        try
        {
            base.Write(buffer);
        }
        catch (Exception e) when (IsEnd(e))
        {
            throw Ended(e);
        }
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        try
        {
            await base.WriteAsync(buffer, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (IsEnd(e))
        {
            throw Ended(e);
        }
    }

    public override ValueTask DisposeAsync()
    {
        _watch?.Dispose();
        return base.DisposeAsync();
    }

    protected override void Dispose(bool disposing)
    {
        _watch?.Dispose();
        base.Dispose(disposing);
    }

    // Nobody may ask for no bytes and be told that there are none.
    private int Heard(int count, int wanted)
    {
        if (count > 0) _hasHeard = true;
        return count > 0 || wanted == 0 || _hasHeard ? count : throw Ended(null);
    }

    // What the platform says of these is its own affair: a reset, an alert in numbers, or that an object of ours is disposed, by whom ever.
    private bool IsEnd(Exception e) => e switch
    {
        ObjectDisposedException => isPooled || _isCut,
        IOException or AuthenticationException => !_hasHeard || _isCut,
        _ => false,
    };

    private IOException Ended(Exception? inner)
    {
        var words = _isCut ? $"an SVID of this connection ended {ConnectionWatch.Grace.TotalSeconds} s ago, so it was cut off"
            : _hasHeard ? "the connection is closed"
            : "the peer ended the connection before it said anything; it may have refused us: see its log";

        // That an object of ours is disposed would distract from who did it and why.
        if (inner is ObjectDisposedException) inner = null;
        return isPooled ? new HttpIOException(HttpRequestError.ResponseEnded, words, inner) : new IOException(words, inner);
    }
}
