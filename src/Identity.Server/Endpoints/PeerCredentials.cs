using System.Buffers.Binary;
using Identity.Server.DecisionPoints;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;

namespace Identity.Server.Endpoints;

/// <summary>The process at the other end of a Unix socket, as the kernel knew it when it connected.</summary>
internal sealed record PeerCredentials(int Pid, uint Uid, uint Gid)
{
    private const int SolSocket = 1;
    private const int SoPeerCred = 17;

    /// <summary>Lets only these users in; anyone else's connection is closed before a byte is read.</summary>
    public static ConnectionDelegate Require(ConnectionDelegate next, Func<uint, bool> mayConnect, TimeProvider time, ILogger logger)
    {
        // While the socket is open to roles any user of the machine may knock, as often as they like.
        var refusalsLogged = new RecordingBound(60);
        return async connection =>
        {
            var peer = Read(connection);
            if (peer is null || !mayConnect(peer.Uid))
            {
                if (refusalsLogged.HasRoom(time)) EndpointLog.AdminConnectionRefused(logger, peer?.Uid);
                connection.Abort();
                return;
            }

            connection.Features.Set(peer);
            await next(connection);
        };
    }

    /// <summary>The user this process runs as.</summary>
    public static uint OwnUid()
    {
        // real, effective, saved, file system: the effective one is what others see. There is no managed call for it.
        var line = File.ReadLines("/proc/self/status").First(l => l.StartsWith("Uid:", StringComparison.Ordinal));
        return uint.Parse(line.Split('\t', StringSplitOptions.RemoveEmptyEntries)[2], System.Globalization.CultureInfo.InvariantCulture);
    }

    private static PeerCredentials? Read(ConnectionContext connection)
    {
        if (connection.Features.Get<IConnectionSocketFeature>()?.Socket is not { } socket)
        {
            return null;
        }
        Span<byte> credentials = stackalloc byte[12];
        return socket.GetRawSocketOption(SolSocket, SoPeerCred, credentials) == 12
            ? new PeerCredentials(
                BinaryPrimitives.ReadInt32LittleEndian(credentials),
                BinaryPrimitives.ReadUInt32LittleEndian(credentials[4..]),
                BinaryPrimitives.ReadUInt32LittleEndian(credentials[8..]))
            : null;
    }
}
