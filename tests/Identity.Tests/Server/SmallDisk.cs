using System.Diagnostics;

namespace Identity.Tests.Server;

/// <summary>A file system of half a megabyte that is nearly full.</summary>
internal sealed class SmallDisk : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private SmallDisk()
    {
    }

    public string Path => System.IO.Path.Combine(_folder.Path, "disk");

    private string Ballast => System.IO.Path.Combine(Path, "ballast");

    /// <summary>Skips the test where that is not permitted.</summary>
    public static SmallDisk Mount()
    {
        var disk = new SmallDisk();
        Directory.CreateDirectory(disk.Path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        if (!Environment.IsPrivilegedProcess || !Run("mount", "-t", "tmpfs", "-o", "size=600k,mode=700", "none", disk.Path))
        {
            disk._folder.Dispose();
            Assert.Skip("NOT TESTED: only root can mount a disk that is small enough to be full.");
        }

        File.WriteAllBytes(disk.Ballast, new byte[200 * 1024]);
        return disk;
    }

    public void MakeRoom() => File.Delete(Ballast);

    public void Dispose()
    {
        // Lazily, for a test that failed may have left a file open.
        Run("umount", "-l", Path);
        _folder.Dispose();
    }

    private static bool Run(string command, params string[] arguments)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(command, arguments) { RedirectStandardError = true, RedirectStandardOutput = true })!;
            process.WaitForExit();
            return process.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }
}
