using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Identity.Agent.WorkloadAttestation;

/// <summary>Which file it is, whatever path leads to it and in whosever mount namespace: device and inode, from statx(2).</summary>
internal readonly record struct FileIdentity(uint DeviceMajor, uint DeviceMinor, ulong Inode)
{
    /// <summary>Null when the kernel does not say.</summary>
    public static FileIdentity? Of(SafeFileHandle file) => FileStamp.Of(file)?.File;

    /// <summary>The file that this process sees at <paramref name="path"/>; null when it sees none.</summary>
    public static FileIdentity? Of(string path) => FileStamp.Of(path)?.File;

    /// <summary>As <see cref="Of(string)"/>, but without waiting for anybody; null also when the kernel does not know by itself.</summary>
    public static FileIdentity? OfCached(string path)
    {
        using var file = UnlockedFile.TryOpenCached(path);
        return file is null ? null : Of(file);
    }
}

/// <summary>
/// A file and the state of its content: whoever writes to it, renames it or takes its name away moves the change time, which no one but the kernel sets. Except by
/// writing a file system of their own on another machine; where it is mounted, <paramref name="Mount"/> tells it from the one that had the device's number before.
/// </summary>
/// <param name="Mount">Never used again while the machine runs, from Linux 6.8 on; before that, of the mounts that exist now; before Linux 5.8, 0.</param>
internal readonly partial record struct FileStamp(FileIdentity File, ulong Mount, ulong Size, long ModifiedSeconds, uint ModifiedNanoseconds, long ChangedSeconds, uint ChangedNanoseconds)
{
    private const int CurrentFolder = -100;       // AT_FDCWD
    private const int EmptyPath = 0x1000;         // AT_EMPTY_PATH: the descriptor itself
    private const int NoWaiting = 0x800 | 0x4000; // AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC: the path is a stranger's choice
    private const int LinkItself = 0x100;         // AT_SYMLINK_NOFOLLOW
    private const uint Kind = 0x1;                // STATX_TYPE
    private const uint Needed = 0x40 | 0x80 | 0x100 | 0x200; // STATX_MTIME, STATX_CTIME, STATX_INO, STATX_SIZE
    private const uint Mounts = 0x1000 | 0x4000;             // STATX_MNT_ID, STATX_MNT_ID_UNIQUE; whichever the kernel knows

    /// <summary>False when a write could still follow that leaves the same times: the kernel counts them in ticks of some milliseconds.</summary>
    public bool IsSettledAt(DateTimeOffset now) => now.ToUnixTimeSeconds() - ChangedSeconds > 2;

    public static FileStamp? Of(SafeFileHandle file) => Statx(file, "", EmptyPath | NoWaiting, Needed | Mounts, out var found) == 0 ? From(found) : null;

    public static FileStamp? Of(string path) => Statx(CurrentFolder, path, NoWaiting, Needed | Mounts, out var found) == 0 ? From(found) : null;

    /// <summary>True when a socket stands there; false for all else, a link to one included, and where nothing does.</summary>
    public static bool IsSocket(string path) =>
        Statx(CurrentFolder, path, NoWaiting | LinkItself, Kind, out var found) == 0 && (found.Mask & Kind) != 0 && (found.Mode & 0xf000) == 0xc000; // S_IFSOCK

    private static FileStamp? From(in StatxBuffer found) => (found.Mask & Needed) != Needed ? null : new FileStamp(
        new FileIdentity(found.DeviceMajor, found.DeviceMinor, found.Inode),
        (found.Mask & Mounts) != 0 ? found.Mount : 0,
        found.Size, found.ModifiedSeconds, found.ModifiedNanoseconds, found.ChangedSeconds, found.ChangedNanoseconds);

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Statx(SafeFileHandle folder, string path, int flags, uint wanted, out StatxBuffer found);

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Statx(int folder, string path, int flags, uint wanted, out StatxBuffer found);

    // struct statx of linux/stat.h, the same on every architecture.
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private struct StatxBuffer
    {
        [FieldOffset(0)]
        public uint Mask;

        [FieldOffset(28)]
        public ushort Mode;

        [FieldOffset(32)]
        public ulong Inode;

        [FieldOffset(40)]
        public ulong Size;

        [FieldOffset(96)]
        public long ChangedSeconds;

        [FieldOffset(104)]
        public uint ChangedNanoseconds;

        [FieldOffset(112)]
        public long ModifiedSeconds;

        [FieldOffset(120)]
        public uint ModifiedNanoseconds;

        [FieldOffset(136)]
        public uint DeviceMajor;

        [FieldOffset(140)]
        public uint DeviceMinor;

        [FieldOffset(144)]
        public ulong Mount;
    }
}
