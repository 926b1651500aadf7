using System.Buffers.Binary;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Identity.Agent.WorkloadAttestation;

/// <summary>A handle of a process, not of its number: pidfd_open(2). It never comes to mean another process.</summary>
internal static partial class PidFd
{
    private const int SolSocket = 1;
    private const int SoPeerPidFd = 77; // Linux 6.5
    private const int PidFdOpen = 434;  // The same on every architecture; Linux 5.3.
    private const short PollIn = 1;

    /// <summary>The process that called connect(), from the socket itself: null when it is gone.</summary>
    /// <returns>False where the kernel is older and does not know the question, and only there: to ask by number then is a guess.</returns>
    public static bool TryOfPeer(Socket socket, out SafeFileHandle? pidfd)
    {
        pidfd = null;
        Span<byte> descriptor = stackalloc byte[4];
        try
        {
            if (socket.GetRawSocketOption(SolSocket, SoPeerPidFd, descriptor) == descriptor.Length)
                pidfd = new SafeFileHandle(BinaryPrimitives.ReadInt32LittleEndian(descriptor), ownsHandle: true);
            return true;
        }
        catch (SocketException e)
        {
            // Every other error is the kernel's answer that there is no such process any more (EINVAL, ESRCH, ENODATA), or that we are out of descriptors.
            return e.SocketErrorCode is not SocketError.ProtocolOption;
        }
    }

    /// <summary>The process that has this number now. Null when none has, or the kernel is older than 5.3.</summary>
    public static SafeFileHandle? Open(int pid)
    {
        var descriptor = Syscall(PidFdOpen, pid, 0);
        return descriptor < 0 ? null : new SafeFileHandle((nint)descriptor, ownsHandle: true);
    }

    /// <summary>False from the moment the process ends, whether anyone has reaped it or not; false as well when the kernel does not say.</summary>
    public static bool IsAlive(SafeFileHandle pidfd)
    {
        var taken = false;
        try
        {
            pidfd.DangerousAddRef(ref taken);
            var polled = new PollFd { Descriptor = (int)pidfd.DangerousGetHandle(), Events = PollIn };
            return Poll(ref polled, 1, 0) == 0;
        }
        catch (ObjectDisposedException)
        {
            return false;
        }
        finally
        {
            if (taken) pidfd.DangerousRelease();
        }
    }

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial long Syscall(long number, long pid, long flags);

    [LibraryImport("libc", EntryPoint = "poll", SetLastError = true)]
    private static partial int Poll(ref PollFd polled, nuint count, int milliseconds);

    private struct PollFd
    {
        public int Descriptor;
        public short Events;
        public short Returned;
    }
}
