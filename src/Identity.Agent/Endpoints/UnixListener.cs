using System.Net;
using System.Net.Sockets;
using Identity.Agent.WorkloadAttestation;

namespace Identity.Agent.Endpoints;

/// <summary>Binds a Unix socket with the mode it is to have before anyone can connect, and never takes the path from a process that still listens.</summary>
internal static class UnixListener
{
    public const UnixFileMode OwnerAndGroup =
        UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
        | UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.GroupExecute;

    public const UnixFileMode Everyone =
        OwnerAndGroup | UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute;

    private const UnixFileMode WalkThrough =
        UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
        | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;

    public static Socket Bind(UnixDomainSocketEndPoint endpoint, UnixFileMode mode)
    {
        var path = endpoint.ToString()!;
        Directory.CreateDirectory(Path.GetDirectoryName(path)!, WalkThrough);
        RemoveStale(path, endpoint);
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            // Between bind() and listen() nobody can connect, so the mode holds from the first connection on.
            socket.Bind(endpoint);
            File.SetUnixFileMode(path, mode);
            return socket;
        }
        catch (Exception e) when (e is SocketException or IOException or UnauthorizedAccessException)
        {
            socket.Dispose();
            throw new StartRefusedException($"cannot listen on '{path}': {e.Message}");
        }
    }

    private static void RemoveStale(string path, EndPoint endpoint)
    {
        // Not File.Exists alone: it is what stands there, a link included, that must be a socket.
        if (!Path.Exists(path)) return;
        using var probe = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            probe.Connect(endpoint);
        }
        catch (SocketException e) when (e.SocketErrorCode is SocketError.ConnectionRefused)
        {
            // The kernel answers so for a plain file too. It is not opened to find out: that would wait for a writer where a FIFO stands.
            if (!FileStamp.IsSocket(path)) throw new StartRefusedException($"'{path}' exists and is not a socket; remove it or choose another --run-dir");
            File.Delete(path);
            return;
        }
        catch (SocketException e)
        {
            throw new StartRefusedException($"'{path}' exists and cannot be examined ({e.SocketErrorCode}); remove it or choose another --run-dir");
        }

        throw new StartRefusedException($"another process listens on '{path}'; stop it or choose another --run-dir");
    }
}
