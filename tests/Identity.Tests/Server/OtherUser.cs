using System.Runtime.InteropServices;

namespace Identity.Tests.Server;

/// <summary>Does something as another user of this machine, for tests that run as root.</summary>
internal static partial class OtherUser
{
    /// <summary>Whether this process may become somebody else.</summary>
    public static bool IsPossible => OperatingSystem.IsLinux() && Environment.IsPrivilegedProcess
        && RuntimeInformation.ProcessArchitecture is Architecture.X64 or Architecture.Arm64;

    /// <summary>On a thread of its own that ends afterwards: the system call, unlike the C library's function, changes one thread's user only.</summary>
    public static Task RunAsync(uint uid, Action deed)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        new Thread(() =>
        {
            try
            {
                // setresuid(2): 117 on x86-64, 147 on arm64.
                var number = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 117 : 147;
                if (SystemCall(number, uid, uid, uid) != 0) throw new InvalidOperationException($"setresuid failed: {Marshal.GetLastPInvokeError()}");
                deed();
                done.SetResult();
            }
            catch (Exception e)
            {
                done.SetException(e);
            }
        })
        { IsBackground = true }.Start();
        return done.Task;
    }

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial nint SystemCall(nint number, nuint first, nuint second, nuint third);
}
