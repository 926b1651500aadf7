using System.Runtime.InteropServices;
using Identity.WasmHost.WorkerProtocol;
using Identity.WasmHost.Workers;
using Calls = Identity.WasmHost.Workers.SystemCallFilter.Calls;

namespace Identity.Tests.WasmHost;

public sealed partial class SystemCallFilterTests
{
    private const int NotPermitted = 1;
    private const int OwnId = 4711;

    [Fact]
    public async Task Every_thread_of_a_worker_that_runs_a_guest_is_filtered_and_gains_no_privilege()
    {
        await using var worker = WorkerHarness.Start(Guest.Content());
        await worker.MessageAsync<GuestReturned>();
        var threads = Directory.GetDirectories($"/proc/{worker.ProcessId}/task");
        Assert.True(threads.Length > 1);
        foreach (var status in threads.Select(thread => File.ReadAllLines(Path.Combine(thread, "status"))))
        {
            Assert.Contains("Seccomp:\t2", status);
            Assert.Contains("NoNewPrivs:\t1", status);
        }
    }

    [Fact]
    public void The_kernel_refuses_what_escaped_code_would_need_to_pass_for_its_host()
    {
        var seen = new Dictionary<string, int>();
        // On a thread of its own, which ends: the filter is for ever. It touches nothing that would start another thread.
        var thread = new Thread(() =>
        {
            seen["no_new_privs"] = SetNoNewPrivileges(38, 1, 0, 0, 0);
            SystemCallFilter.Install(onAllThreads: false);
            seen["socket(AF_UNIX)"] = Refusal(() => OpenSocket(1, 1, 0));
            seen["socketpair(AF_UNIX)"] = Refusal(() => OpenPair(1, 2, 0, new int[2]));
            seen["socket(AF_VSOCK)"] = Refusal(() => OpenSocket(40, 1, 0));
            seen["execve"] = Refusal(() => Execute("/nonexistent", 0, 0));
            seen["ptrace"] = Refusal(() => (int)Trace(16, Environment.ProcessId, 0, 0));
            seen["process_vm_readv"] = Refusal(() => (int)ReadMemory(Environment.ProcessId, 0, 0, 0, 0, 0));
            seen["kill(parent)"] = Refusal(() => Kill(GetParent(), 0));
            seen["kill(self)"] = Refusal(() => Kill(Environment.ProcessId, 0));
            seen["socket(AF_INET)"] = Refusal(() => Close(OpenSocket(2, 1, 0)));
        });
        thread.Start();
        thread.Join();

        string[] allowed = ["no_new_privs", "kill(self)", "socket(AF_INET)"];
        Assert.Equal(10, seen.Count);
        Assert.All(seen, call => Assert.Equal((call.Key, allowed.Contains(call.Key) ? 0 : NotPermitted), (call.Key, call.Value)));
    }

    public static TheoryData<string, string, uint, ulong, string> Verdicts => new()
    {
        { "x64", "read", 0, 0, "allow" },
        { "x64", "execve", 59, 0, "EPERM" },
        { "x64", "fork", 57, 0, "EPERM" },
        { "x64", "clone of a thread", 56, 0x3d0f00, "allow" },
        { "x64", "clone of a process", 56, 17, "EPERM" },
        { "x64", "clone3", 435, 0, "ENOSYS" },
        { "x64", "socket of IPv6", 41, 10, "allow" },
        { "x64", "socket of netlink", 41, 16, "allow" },
        { "x64", "local socket", 41, 1, "EPERM" },
        { "x64", "pair of local sockets", 53, 1, "EPERM" },
        { "x64", "io_uring_setup", 425, 0, "EPERM" },
        { "x64", "kill of itself", 62, OwnId, "allow" },
        { "x64", "kill of its group", 62, 0, "EPERM" },
        { "x64", "kill of everyone", 62, ulong.MaxValue, "EPERM" },
        { "x64", "tgkill of another", 234, OwnId + 1, "EPERM" },
        { "x64", "prlimit64 of itself", 302, 0, "allow" },
        { "x64", "prlimit64 of another", 302, 1, "EPERM" },
        { "x64", "a call of the x32 kind", 0x4000_0000, 0, "EPERM" },
        { "arm64", "read", 63, 0, "allow" },
        { "arm64", "execve", 221, 0, "EPERM" },
        { "arm64", "local socket", 198, 1, "EPERM" },
        { "arm64", "pair of local sockets", 199, 1, "EPERM" },
        { "arm64", "socket of IPv4", 198, 2, "allow" },
        { "arm64", "clone of a process", 220, 17, "EPERM" },
        { "arm64", "ptrace", 117, 0, "EPERM" },
        { "arm64", "kill of another", 129, 1, "EPERM" },
    };

    [Theory]
    [MemberData(nameof(Verdicts))]
    public void Says_of_each_call_on_each_architecture(string architecture, string what, uint number, ulong argument, string expected)
    {
        var (calls, foreign) = architecture == "x64" ? (Calls.X64, Calls.Arm64) : (Calls.Arm64, Calls.X64);
        var program = SystemCallFilter.Program(calls, OwnId);
        Assert.Equal((what, expected), (what, Verdict(program, calls.Architecture, number, argument)));
        Assert.Equal("kill", Verdict(program, foreign.Architecture, number, argument));
    }

    // Classic BPF as the kernel runs it, as far as the filter uses it.
    private static string Verdict(SystemCallFilter.Instruction[] program, uint architecture, uint number, ulong argument)
    {
        uint accumulator = 0;
        for (var at = 0; ; at++)
        {
            var (code, whenTrue, whenFalse, value) = program[at];
            switch (code)
            {
                case 0x20: accumulator = value switch { 0 => number, 4 => architecture, 16 => (uint)argument, _ => throw new InvalidOperationException($"load of {value}") }; break;
                case 0x05: at += (int)value; break;
                case 0x15: at += accumulator == value ? whenTrue : whenFalse; break;
                case 0x35: at += accumulator >= value ? whenTrue : whenFalse; break;
                case 0x45: at += (accumulator & value) != 0 ? whenTrue : whenFalse; break;
                case 0x06: return value switch { 0x7fff_0000 => "allow", 0x8000_0000 => "kill", 0x0005_0001 => "EPERM", 0x0005_0026 => "ENOSYS", _ => $"{value:x}" };
                default: throw new InvalidOperationException($"instruction {code:x}");
            }
        }
    }

    private static int Refusal(Func<int> call) => call() >= 0 ? 0 : Marshal.GetLastPInvokeError();

    [LibraryImport("libc", EntryPoint = "prctl")]
    private static partial int SetNoNewPrivileges(int option, nuint second, nuint third, nuint fourth, nuint fifth);

    [LibraryImport("libc", EntryPoint = "socket", SetLastError = true)]
    private static partial int OpenSocket(int domain, int type, int protocol);

    [LibraryImport("libc", EntryPoint = "socketpair", SetLastError = true)]
    private static partial int OpenPair(int domain, int type, int protocol, [Out] int[] pair);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    private static partial int Close(int descriptor);

    [LibraryImport("libc", EntryPoint = "execve", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Execute(string path, nint arguments, nint environment);

    [LibraryImport("libc", EntryPoint = "ptrace", SetLastError = true)]
    private static partial nint Trace(nint request, nint process, nint address, nint data);

    [LibraryImport("libc", EntryPoint = "process_vm_readv", SetLastError = true)]
    private static partial nint ReadMemory(int process, nint local, nuint locals, nint remote, nuint remotes, nuint flags);

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int Kill(int process, int signal);

    [LibraryImport("libc", EntryPoint = "getppid")]
    private static partial int GetParent();
}
