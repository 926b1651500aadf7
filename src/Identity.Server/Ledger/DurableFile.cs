using System.Runtime.InteropServices;

namespace Identity.Server.Ledger;

/// <summary>Files that are whole or absent after a power cut, and that only their owner may read.</summary>
internal static partial class DurableFile
{
    private const int ReadOnly = 0x80000; // O_RDONLY | O_CLOEXEC on Linux, x86-64 and arm64

    /// <summary>Writes to a temporary name, syncs, renames, and syncs the folder: the file appears whole or not at all.</summary>
    public static void Write(string path, ReadOnlySpan<byte> content)
    {
        var temporary = path + ".new";
        File.Delete(temporary);
        using (var stream = new FileStream(temporary, new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        }))
        {
            stream.Write(content);
            stream.Flush(flushToDisk: true);
        }
        File.Move(temporary, path, overwrite: true);
        SyncFolder(Path.GetDirectoryName(Path.GetFullPath(path))!);
    }

    /// <summary>Makes names created in or renamed within a folder durable; the base library cannot sync a folder.</summary>
    public static void SyncFolder(string path)
    {
        var descriptor = Open(path, ReadOnly);
        if (descriptor < 0)
        {
            throw new IOException($"Cannot open the folder {path} (errno {Marshal.GetLastPInvokeError()}).");
        }
        try
        {
            if (Sync(descriptor) != 0)
            {
                throw new IOException($"Cannot sync the folder {path} (errno {Marshal.GetLastPInvokeError()}).");
            }
        }
        finally
        {
            _ = Close(descriptor);
        }
    }

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int Sync(int descriptor);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);
}
