using System.Buffers.Binary;
using System.Globalization;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Identity.Agent.WorkloadAttestation;

/// <summary>
/// Who connected, as the kernel saw it at connect(). The process ID alone could be another process by now; the pidfd, or where the kernel has
/// none the start time, says whether it still is the one that connected.
/// </summary>
internal sealed class PeerConnection : IDisposable
{
    private const int SolSocket = 1;
    private const int SoPeerCred = 17;
    private const int SoPeerPidFd = 77; // Linux 6.5

    private readonly SafeFileHandle? _pidfd;
    private readonly ulong _startTime;

    private PeerConnection(int pid, uint uid, uint gid, SafeFileHandle? pidfd, ulong startTime)
    {
        (Pid, Uid, Gid) = (pid, uid, gid);
        (_pidfd, _startTime) = (pidfd, startTime);
    }

    public int Pid { get; }

    public uint Uid { get; }

    public uint Gid { get; }

    /// <summary>Null when the peer cannot be established: gone already, or in a process namespace that is not visible here.</summary>
    public static PeerConnection? Of(Socket socket, bool withPidFd = true)
    {
        Span<byte> credentials = stackalloc byte[12];
        if (socket.GetRawSocketOption(SolSocket, SoPeerCred, credentials) != credentials.Length) return null;
        var pid = BinaryPrimitives.ReadInt32LittleEndian(credentials);
        if (pid <= 0) return null;
        var pidfd = withPidFd ? OpenPidFd(socket) : null;
        var startTime = 0UL;
        if (pidfd is null && !ProcessFiles.TryReadStartTime(pid, out startTime)) return null;
        return new PeerConnection(
            pid, BinaryPrimitives.ReadUInt32LittleEndian(credentials[4..]), BinaryPrimitives.ReadUInt32LittleEndian(credentials[8..]), pidfd, startTime);
    }

    /// <summary>True when the process that connected still runs, so that what was just read under its ID was read about it.</summary>
    public bool IsAlive()
    {
        if (!ProcessFiles.TryReadState(Pid, out var state) || state is 'Z' or 'X') return false;
        if (_pidfd is null) return ProcessFiles.TryReadStartTime(Pid, out var startTime) && startTime == _startTime;
        if (_pidfd.IsClosed) return false;
        // proc_pid_fdinfo(5): the line says -1 once the process has been reaped.
        var line = $"\nPid:\t{Pid.ToString(CultureInfo.InvariantCulture)}\n";
        return ProcessFiles.ReadSmall($"/proc/self/fdinfo/{_pidfd.DangerousGetHandle()}").Contains(line, StringComparison.Ordinal);
    }

    public void Dispose() => _pidfd?.Dispose();

    private static SafeFileHandle? OpenPidFd(Socket socket)
    {
        Span<byte> descriptor = stackalloc byte[4];
        try
        {
            if (socket.GetRawSocketOption(SolSocket, SoPeerPidFd, descriptor) != descriptor.Length) return null;
        }
        catch (SocketException)
        {
            return null; // An older kernel, or the peer is gone; the start time decides.
        }

        return new SafeFileHandle(MemoryMarshal.Read<int>(descriptor), ownsHandle: true);
    }
}
