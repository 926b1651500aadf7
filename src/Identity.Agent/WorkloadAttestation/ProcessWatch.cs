using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.ComponentModel;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Identity.Agent.WorkloadAttestation;

/// <summary>Tells when processes end. One sleeping thread for all of them: a pidfd becomes readable with the end of its process, epoll(7) says which.</summary>
internal sealed partial class ProcessWatch : IDisposable
{
    private const int CloseOnExec = 0x80000; // EPOLL_CLOEXEC, EFD_CLOEXEC
    private const int Add = 1;
    private const int Delete = 2;
    private const uint ReadableOnce = 1 | (1u << 30); // EPOLLIN, EPOLLONESHOT
    private const int Interrupted = 4;                // EINTR
    private const ulong Stop = 0;

    // struct epoll_event is packed on x86-64 only.
    private static readonly int DataOffset = RuntimeInformation.ProcessArchitecture is Architecture.X64 ? 4 : 8;
    private static readonly int EventBytes = DataOffset + 8;

    private readonly SafeFileHandle _epoll = new(EpollCreate(CloseOnExec), ownsHandle: true);
    private readonly SafeFileHandle _stop = new(EventFd(0, CloseOnExec), ownsHandle: true);
    private readonly ConcurrentDictionary<ulong, CancellationTokenSource> _watched = new();
    private readonly Thread _thread;
    private ulong _last = Stop;

    public ProcessWatch()
    {
        if (_epoll.IsInvalid || _stop.IsInvalid) throw new Win32Exception();
        Control(Add, _stop, Stop);
        _thread = new Thread(Wait) { IsBackground = true, Name = "process watch" };
        _thread.Start();
    }

    /// <summary>Cancels the source when the process ends, at once if it has already. Disposing ends the watch, not the source.</summary>
    public IDisposable Watch(SafeFileHandle pidfd, CancellationTokenSource ended)
    {
        var number = Interlocked.Increment(ref _last);
        _watched[number] = ended;
        Control(Add, pidfd, number);
        return new Watched(this, pidfd, number);
    }

    public void Dispose()
    {
        if (_stop.IsClosed) return;
        Write(_stop, [1, 0, 0, 0, 0, 0, 0, 0], 8);
        _thread.Join();
        _stop.Dispose();
        _epoll.Dispose();
    }

    private void Wait()
    {
        const int most = 64;
        var events = new byte[EventBytes * most];
        while (true)
        {
            var count = EpollWait(_epoll, events, most, -1);
            if (count < 0 && Marshal.GetLastPInvokeError() != Interrupted) return;
            for (var i = 0; i < count; i++)
            {
                var number = BinaryPrimitives.ReadUInt64LittleEndian(events.AsSpan((i * EventBytes) + DataOffset));
                if (number == Stop) return;
                // The callbacks of a token are other people's code; not on this thread.
                if (_watched.TryRemove(number, out var ended)) _ = ended.CancelAsync();
            }
        }
    }

    private void Control(int operation, SafeFileHandle watched, ulong number)
    {
        Span<byte> change = stackalloc byte[16];
        BinaryPrimitives.WriteUInt32LittleEndian(change, ReadableOnce);
        BinaryPrimitives.WriteUInt64LittleEndian(change[DataOffset..], number);
        if (EpollControl(_epoll, operation, watched, change) != 0 && operation == Add) throw new Win32Exception();
    }

    [LibraryImport("libc", EntryPoint = "epoll_create1", SetLastError = true)]
    private static partial int EpollCreate(int flags);

    [LibraryImport("libc", EntryPoint = "eventfd", SetLastError = true)]
    private static partial int EventFd(uint start, int flags);

    [LibraryImport("libc", EntryPoint = "epoll_ctl", SetLastError = true)]
    private static partial int EpollControl(SafeFileHandle epoll, int operation, SafeFileHandle watched, Span<byte> change);

    [LibraryImport("libc", EntryPoint = "epoll_wait", SetLastError = true)]
    private static partial int EpollWait(SafeFileHandle epoll, [Out] byte[] events, int most, int milliseconds);

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    private static partial nint Write(SafeFileHandle file, ReadOnlySpan<byte> bytes, nuint count);

    private sealed class Watched(ProcessWatch watch, SafeFileHandle pidfd, ulong number) : IDisposable
    {
        public void Dispose()
        {
            if (watch._watched.TryRemove(number, out _) && !watch._epoll.IsClosed) watch.Control(Delete, pidfd, number);
        }
    }
}
