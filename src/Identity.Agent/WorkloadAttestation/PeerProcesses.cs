using System.Buffers.Binary;
using System.Net.Sockets;
using Microsoft.Win32.SafeHandles;

namespace Identity.Agent.WorkloadAttestation;

/// <summary>The processes that have connections open.</summary>
internal sealed class PeerProcesses : IDisposable
{
    private const int SolSocket = 1;
    private const int SoPeerCred = 17;

    private readonly ProcessWatch _watch = new();
    private readonly Lock _lock = new();

    // Number and start time name a process for as long as the machine runs. Who was another user when it connected is counted apart.
    private readonly Dictionary<(PeerCredentials, ulong StartTime), (PeerProcess Process, int Connections)> _processes = [];

    public int Count
    {
        get
        {
            lock (_lock) return _processes.Count;
        }
    }

    /// <summary>Null when the peer cannot be established: gone already, or in a process namespace that is not visible here.</summary>
    /// <param name="askSocket">False to do as on a kernel before 6.5.</param>
    /// <param name="owner">Null when its user belongs to nobody else.</param>
    public PeerConnection? TryConnect(Socket socket, bool askSocket = true, long? owner = null)
    {
        if (!TryReadCredentials(socket, out var credentials)) return null;
        // Before 6.5 the handle is opened by number, a moment after connect(): if the peer ended within it, the number could be another's. Its start
        // time tells nothing then, so such a kernel narrows the race where a newer one closes it. A newer one that knows of no peer is not asked again.
        SafeFileHandle? pidfd = null;
        if (!askSocket || !PidFd.TryOfPeer(socket, out pidfd)) pidfd = PidFd.Open(credentials.Pid);
        if (pidfd is null) return null;
        // Read under a number, then the handle asked: alive, so the number was its own all along.
        var isKnown = false;
        try
        {
            isKnown = ProcessFiles.TryReadStartTime(credentials.Pid, out var startTime) && PidFd.IsAlive(pidfd);
            return isKnown ? Join((credentials, startTime), pidfd, owner ?? credentials.Uid) : null;
        }
        finally
        {
            if (!isKnown) pidfd.Dispose();
        }
    }

    public static bool TryReadCredentials(Socket socket, out PeerCredentials credentials)
    {
        credentials = default;
        Span<byte> read = stackalloc byte[12];
        if (socket.GetRawSocketOption(SolSocket, SoPeerCred, read) != read.Length) return false;
        credentials = new PeerCredentials(
            BinaryPrimitives.ReadInt32LittleEndian(read), BinaryPrimitives.ReadUInt32LittleEndian(read[4..]), BinaryPrimitives.ReadUInt32LittleEndian(read[8..]));
        return credentials.Pid > 0;
    }

    public void Dispose() => _watch.Dispose();

    private PeerConnection Join((PeerCredentials Credentials, ulong) key, SafeFileHandle pidfd, long owner)
    {
        lock (_lock)
        {
            if (_processes.TryGetValue(key, out var known)) pidfd.Dispose();
            else known = (new PeerProcess(key.Credentials, pidfd, _watch), 0);
            _processes[key] = known with { Connections = known.Connections + 1 };
            return new PeerConnection(known.Process, owner, () => Leave(key));
        }
    }

    private void Leave((PeerCredentials, ulong) key)
    {
        lock (_lock)
        {
            var (process, connections) = _processes[key];
            if (connections > 1)
            {
                _processes[key] = (process, connections - 1);
                return;
            }

            _processes.Remove(key);
            process.Dispose();
        }
    }
}
