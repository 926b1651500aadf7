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
    private const int NotPermitted = 1, NoSuchFile = 2, NoSuchProcess = 3, AccessDenied = 13, NotDirectory = 20, NameTooLong = 36, TooManyLinks = 40;

    /// <summary>Null when there is no such file, or when we may not read it.</summary>
    /// <exception cref="IOException">It cannot be opened now, which says nothing about the file: too many are open, or the disk failed.</exception>
    public static SafeFileHandle? TryOpen(string path)
    {
        var descriptor = Open(path, ReadOnlyCloseOnExec, 0);
        if (descriptor >= 0) return new SafeFileHandle(descriptor, ownsHandle: true);
        var error = Marshal.GetLastPInvokeError();
        return error is NotPermitted or NoSuchFile or NoSuchProcess or AccessDenied or NotDirectory or NameTooLong or TooManyLinks
            ? null
            : throw new IOException($"'{path}' cannot be opened: {Marshal.GetPInvokeErrorMessage(error)}");
    }

    /// <summary>What it holds, or its first <paramref name="most"/> bytes. Null as with <see cref="TryOpen"/>, and when it goes while it is read, as a process does.</summary>
    /// <exception cref="IOException">As with <see cref="TryOpen"/>.</exception>
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
}
