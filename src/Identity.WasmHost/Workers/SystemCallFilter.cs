using System.Runtime.InteropServices;

namespace Identity.WasmHost.Workers;

/// <summary>
/// What a worker can no longer ask of the kernel (seccomp(2)): local sockets, so that code that escaped Wasmtime cannot speak to the agent
/// as the host that it runs as; other programs and processes; and what reaches into processes of the same user. Linux on x86-64 and arm64.
/// </summary>
internal static partial class SystemCallFilter
{
    private const uint Allow = 0x7fff_0000;
    private const uint KillProcess = 0x8000_0000;
    private const uint ErrorOf = 0x0005_0000;
    private const uint NotPermitted = 1;
    private const uint NoSuchCall = 38;

    private const uint CloneThread = 0x0001_0000;
    private const int SetModeFilter = 1;
    private const nuint OnAllThreads = 1;

    // struct seccomp_data: number, architecture, instruction pointer, six arguments of 64 bits (little-endian on both architectures).
    private const uint NumberAt = 0;
    private const uint ArchitectureAt = 4;
    private const uint FirstArgumentAt = 16;

    // 32-bit calls of an x86-64 kernel have numbers of their own; none of ours is above this.
    private const uint FirstX32 = 0x4000_0000;

    /// <summary>One instruction of classic BPF, laid out as struct sock_filter.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal readonly record struct Instruction(ushort Code, byte WhenTrue, byte WhenFalse, uint Value);

    /// <summary>Puts the filter on this thread, or on every thread of the process and those to come. There is no way back.</summary>
    /// <exception cref="InvalidOperationException">The kernel does not take it: run no guest then.</exception>
    public static unsafe void Install(bool onAllThreads)
    {
        var calls = Calls.Of(RuntimeInformation.ProcessArchitecture);
        var program = Program(calls, Environment.ProcessId);
        fixed (Instruction* first = program)
        {
            var filter = new FilterProgram { Length = (ushort)program.Length, First = first };
            if (SystemCall(calls.Seccomp, SetModeFilter, onAllThreads ? OnAllThreads : 0, &filter) != 0)
                throw new InvalidOperationException($"the kernel takes no system call filter: errno {Marshal.GetLastPInvokeError()}");
        }
    }

    /// <param name="processId">The only process that signals may go to.</param>
    internal static Instruction[] Program(Calls calls, int processId)
    {
        var own = (uint)processId;
        List<Instruction> program =
        [
            Load(ArchitectureAt), SkipUnlessEqual(calls.Architecture, otherwise: 1), Skip(1), Return(KillProcess),
            Load(NumberAt), new(0x35, 0, 1, FirstX32), Return(ErrorOf | NotPermitted),
        ];
        foreach (var call in calls.Refused) program.AddRange([SkipUnlessEqual(call, otherwise: 1), Return(ErrorOf | NotPermitted)]);

        // Its flags lie in memory, where a filter cannot look; the C library falls back to clone.
        program.AddRange([SkipUnlessEqual(calls.NewThread3, otherwise: 1), Return(ErrorOf | NoSuchCall)]);
        program.AddRange([SkipUnlessEqual(calls.NewThread, otherwise: 4), Load(FirstArgumentAt), new(0x45, 1, 0, CloneThread), Return(ErrorOf | NotPermitted), Return(Allow)]);

        // IPv4 and IPv6 for nats-server, netlink for the resolver.
        program.AddRange(OnlyWith(calls.Socket, 2, 10, 16));
        foreach (var call in calls.SignalsToOne) program.AddRange(OnlyWith(call, own));
        program.AddRange(OnlyWith(calls.ResourceLimits, 0, own));
        program.Add(Return(Allow));
        return [.. program];
    }

    // The call passes when its first argument, an int, is one of these.
    private static IEnumerable<Instruction> OnlyWith(uint call, params uint[] values) =>
    [
        SkipUnlessEqual(call, otherwise: (byte)((2 * values.Length) + 2)),
        Load(FirstArgumentAt),
        .. values.SelectMany(value => new[] { SkipUnlessEqual(value, otherwise: 1), Return(Allow) }),
        Return(ErrorOf | NotPermitted),
    ];

    private static Instruction Load(uint offset) => new(0x20, 0, 0, offset);

    private static Instruction SkipUnlessEqual(uint value, byte otherwise) => new(0x15, 0, otherwise, value);

    private static Instruction Skip(uint count) => new(0x05, 0, 0, count);

    private static Instruction Return(uint verdict) => new(0x06, 0, 0, verdict);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static unsafe partial nint SystemCall(nint number, nint operation, nuint flags, FilterProgram* filter);

    private unsafe struct FilterProgram
    {
        public ushort Length;
        public Instruction* First;
    }

    /// <summary>The numbers of one architecture (linux: arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h).</summary>
    /// <param name="Architecture">AUDIT_ARCH_* of audit.h.</param>
    /// <param name="NewThread">clone, which makes processes too.</param>
    /// <param name="NewThread3">clone3.</param>
    /// <param name="Refused">Never, whatever the arguments.</param>
    /// <param name="SignalsToOne">kill, tgkill, rt_sigqueueinfo, rt_tgsigqueueinfo: their first argument is a process.</param>
    internal sealed record Calls(
        uint Architecture, int Seccomp, uint NewThread, uint NewThread3, uint Socket, uint ResourceLimits, uint[] SignalsToOne, uint[] Refused)
    {
        public static readonly Calls X64 = new(
            0xc000_003e, Seccomp: 317, NewThread: 56, NewThread3: 435, Socket: 41, ResourceLimits: 302, SignalsToOne: [62, 234, 129, 297],
            Refused:
            [
                59, 322, 57, 58, // execve, execveat, fork, vfork
                101, 310, 311, 312, 440, // ptrace, process_vm_readv, process_vm_writev, kcmp, process_madvise
                434, 438, 424, 200, // pidfd_open, pidfd_getfd, pidfd_send_signal, tkill
                425, 426, 427, // io_uring_*: would open sockets past this filter
                321, 323, 298, 248, 249, 250, // bpf, userfaultfd, perf_event_open, add_key, request_key, keyctl
                53, // socketpair: one end of datagrams can be turned to any local socket
                272, 308, 165, 166, 155, 304, // unshare, setns, mount, umount2, pivot_root, open_by_handle_at
            ]);

        public static readonly Calls Arm64 = new(
            0xc000_00b7, Seccomp: 277, NewThread: 220, NewThread3: 435, Socket: 198, ResourceLimits: 261, SignalsToOne: [129, 131, 138, 240],
            Refused:
            [
                221, 281, // execve, execveat; there is no fork
                117, 270, 271, 272, 440,
                434, 438, 424, 130,
                425, 426, 427,
                280, 282, 241, 217, 218, 219,
                199,
                97, 268, 40, 39, 41, 265,
            ]);

        public static Calls Of(Architecture architecture) => architecture switch
        {
            System.Runtime.InteropServices.Architecture.X64 => X64,
            System.Runtime.InteropServices.Architecture.Arm64 => Arm64,
            _ => throw new InvalidOperationException($"there is no system call filter for {architecture}; workers run on x86-64 and arm64"),
        };
    }
}
