using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Identity.Agent.WorkloadAttestation;

/// <summary>Which file it is, whatever path leads to it and in whosever mount namespace: device and inode, from statx(2).</summary>
internal readonly partial record struct FileIdentity(uint DeviceMajor, uint DeviceMinor, ulong Inode)
{
    private const int CurrentFolder = -100;       // AT_FDCWD
    private const int EmptyPath = 0x1000;         // AT_EMPTY_PATH: the descriptor itself
    private const int NoWaiting = 0x800 | 0x4000; // AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC: the path is a stranger's choice
    private const uint InodeWanted = 0x100;       // STATX_INO

    /// <summary>Null when the kernel does not say.</summary>
    public static FileIdentity? Of(SafeFileHandle file) => Statx(file, "", EmptyPath | NoWaiting, InodeWanted, out var found) == 0 ? From(found) : null;

    /// <summary>The file that this process sees at <paramref name="path"/>; null when it sees none.</summary>
    public static FileIdentity? Of(string path) => Statx(CurrentFolder, path, NoWaiting, InodeWanted, out var found) == 0 ? From(found) : null;

    private static FileIdentity? From(in StatxBuffer found) =>
        (found.Mask & InodeWanted) != 0 ? new FileIdentity(found.DeviceMajor, found.DeviceMinor, found.Inode) : null;

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

        [FieldOffset(32)]
        public ulong Inode;

        [FieldOffset(136)]
        public uint DeviceMajor;

        [FieldOffset(140)]
        public uint DeviceMinor;
    }
}
