using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Identity.Agent.WorkloadAttestation;

/// <summary>
/// Opens files that strangers may open too. The base library asks for a lock on whatever it opens and fails where somebody holds another, and whoever may read a
/// file, be it under /proc, may hold one: no user is to blind the agent to another's processes with flock(1).
/// </summary>
internal static partial class UnlockedFile
{
    private const int ReadOnlyCloseOnExec = 0x80000;
    private const int PathOnly = 0x200000; // O_PATH
    private const long OpenAt2Number = 437; // The same on every architecture; Linux 5.6.
    private const long CurrentFolder = -100; // AT_FDCWD
    private const ulong ResolveCached = 0x20; // Linux 5.12
    private const int NotPermitted = 1, NoSuchFile = 2, NoSuchProcess = 3, AccessDenied = 13, NotDirectory = 20, NameTooLong = 36, TooManyLinks = 40;

    /// <summary>Null when there is no such file, or when we may not read it.</summary>
    /// <exception cref="IOException">It cannot be opened now, which says nothing about the file: too many are open, or the disk failed.</exception>
    public static SafeFileHandle? TryOpen(string path) => TryOpen(path, ReadOnlyCloseOnExec);

    /// <summary>The file itself without its content: whoever answers for its file system is not asked, and so cannot make us wait. Else as <see cref="TryOpen(string)"/>.</summary>
    public static SafeFileHandle? TryOpenUnread(string path) => TryOpen(path, ReadOnlyCloseOnExec | PathOnly);

    /// <summary>As <see cref="TryOpenUnread"/>, but null also when the way there is not in the kernel's memory: it asks nobody for that either.</summary>
    public static SafeFileHandle? TryOpenCached(string path)
    {
        var descriptor = OpenAt2(OpenAt2Number, CurrentFolder, path, new OpenHow { Flags = ReadOnlyCloseOnExec | PathOnly, Resolve = ResolveCached }, (nuint)Marshal.SizeOf<OpenHow>());
        return descriptor < 0 ? null : new SafeFileHandle((nint)descriptor, ownsHandle: true);
    }

    /// <summary>The content of what <see cref="TryOpenUnread"/> opened, however long that takes. Null when we may not read it.</summary>
    /// <exception cref="IOException">As with <see cref="TryOpen(string)"/>.</exception>
    public static SafeFileHandle? TryOpenContent(SafeFileHandle unread)
    {
        var taken = false;
        try
        {
            unread.DangerousAddRef(ref taken);
            return TryOpen($"/proc/self/fd/{unread.DangerousGetHandle()}", ReadOnlyCloseOnExec);
        }
        finally
        {
            if (taken) unread.DangerousRelease();
        }
    }

    private static SafeFileHandle? TryOpen(string path, int flags)
    {
        var descriptor = Open(path, flags, 0);
        if (descriptor >= 0) return new SafeFileHandle(descriptor, ownsHandle: true);
        var error = Marshal.GetLastPInvokeError();
        return error is NotPermitted or NoSuchFile or NoSuchProcess or AccessDenied or NotDirectory or NameTooLong or TooManyLinks
            ? null
            : throw new IOException($"'{path}' cannot be opened: {Marshal.GetPInvokeErrorMessage(error)}");
    }

    /// <summary>What it holds, or its first <paramref name="most"/> bytes. Null as with <see cref="TryOpen(string)"/>, and when it goes while it is read, as a process does.</summary>
    /// <exception cref="IOException">As with <see cref="TryOpen(string)"/>.</exception>
    public static byte[]? TryRead(string path, int most)
    {
        using var file = TryOpen(path);
        if (file is null) return null;
        var content = new byte[Math.Min(most, 4096)];
        var length = 0;
        while (length < most)
        {
            if (length == content.Length) Array.Resize(ref content, Math.Min(most, 2 * length));
            var read = ReadAt(file, content.AsSpan(length), length);
            if (read < 0) return null;
            if (read == 0) break;
            length += read;
        }

        return content[..length];
    }

    // Negative when the process is gone of whom it tells.
    private static int ReadAt(SafeFileHandle file, Span<byte> into, long offset)
    {
        try
        {
            return RandomAccess.Read(file, into, offset);
        }
        catch (IOException e) when (e.HResult is NoSuchProcess)
        {
            return -1;
        }
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags, int mode);

    [LibraryImport("libc", EntryPoint = "syscall", StringMarshalling = StringMarshalling.Utf8)]
    private static partial long OpenAt2(long number, long folder, string path, in OpenHow how, nuint size);

    // struct open_how of linux/openat2.h.
    private struct OpenHow
    {
        public ulong Flags;
        public ulong Mode;
        public ulong Resolve;
    }
}
