using System.Net.Sockets;

namespace Identity.Server.Endpoints;

/// <summary>The path of the admin socket: cleared of what a killed process left, and closed to other users.</summary>
internal static class AdminSocket
{
    // sockaddr_un.sun_path, its terminating zero included.
    private const int MaxPathBytes = 107;

    /// <exception cref="CannotStartException">The path is too long, in use, or something else is there.</exception>
    public static void Clear(string path)
    {
        if (System.Text.Encoding.UTF8.GetByteCount(path) > MaxPathBytes)
        {
            throw new CannotStartException(
                $"The admin socket's path {path} is longer than the {MaxPathBytes} bytes a Unix socket may have. Choose a shorter one with --admin-socket.");
        }
        if (!File.Exists(path))
        {
            return;
        }
        if (new FileInfo(path).Length != 0)
        {
            throw new CannotStartException($"{path} is a file, not a socket. Choose another path with --admin-socket.");
        }
        using var probe = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            probe.Connect(new UnixDomainSocketEndPoint(path));
        }
        catch (SocketException e) when (e.SocketErrorCode is SocketError.ConnectionRefused)
        {
            // Nobody listens: a process that was killed left it.
            File.Delete(path);
            return;
        }
        catch (SocketException e)
        {
            throw new CannotStartException($"Cannot use the admin socket {path}: {e.Message}.", e);
        }
        throw new CannotStartException($"Another process is serving the admin socket {path}. Stop it, or choose another path with --admin-socket.");
    }

    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private static readonly uint OwnUid = PeerCredentials.OwnUid();

    /// <summary>Our own user and root: whoever can read the signing keys anyway.</summary>
    public static bool IsAdmin(uint uid) => uid == 0 || uid == OwnUid;

    /// <summary>Those of whom <see cref="IsAdmin"/> is true: one when the server runs as root, else two.</summary>
    public static IReadOnlyList<uint> Administrators { get; } = OwnUid == 0 ? [0] : [0, OwnUid];

    /// <summary>
    /// Whose connections are read at all. Connecting to a socket takes the right to write it, so while a role names users of this machine all
    /// of them may knock; who is not named is turned away by what the kernel says about them.
    /// </summary>
    public static void SetAccess(string path, bool openToRoles) => File.SetUnixFileMode(
        path, openToRoles ? OwnerOnly | UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite : OwnerOnly);
}
