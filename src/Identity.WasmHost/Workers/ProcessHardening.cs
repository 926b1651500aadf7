using System.Runtime.InteropServices;

namespace Identity.WasmHost.Workers;

/// <summary>What a worker gives up before it reads its first message. Linux only; elsewhere it does nothing.</summary>
internal static partial class ProcessHardening
{
    private const int PrSetDumpable = 4;
    private const int PrSetNoNewPrivileges = 38;
    private const int RlimitCore = 4;

    public static void Apply()
    {
        if (!OperatingSystem.IsLinux()) return;
        // A core file, a debugger or /proc/<pid>/mem of another process of this user would show the component's tokens.
        var nothing = default(ResourceLimit);
        var failed = SetResourceLimit(RlimitCore, ref nothing) != 0
            || ProcessControl(PrSetDumpable, 0, 0, 0, 0) != 0
            || ProcessControl(PrSetNoNewPrivileges, 1, 0, 0, 0) != 0;
        if (failed) throw new InvalidOperationException($"a worker cannot be hardened: errno {Marshal.GetLastPInvokeError()}");
        SystemCallFilter.Install(onAllThreads: true);
    }

    [LibraryImport("libc", EntryPoint = "prctl", SetLastError = true)]
    private static partial int ProcessControl(int option, nuint second, nuint third, nuint fourth, nuint fifth);

    [LibraryImport("libc", EntryPoint = "setrlimit", SetLastError = true)]
    private static partial int SetResourceLimit(int resource, ref ResourceLimit limit);

    private struct ResourceLimit
    {
        public nuint Soft;
        public nuint Hard;
    }
}
