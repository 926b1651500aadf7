using System.Runtime.InteropServices;

namespace Identity.Agent.Endpoints;

/// <summary>How many connections this process can hold: as many as it may open files for, up to a bound of its own.</summary>
internal sealed partial class ConnectionLimits
{
    private const int MostOfWorkloads = 28_000;
    private const int MostOfHosts = 1_000;
    private const int NoFile = 7; // RLIMIT_NOFILE

    public ConnectionLimits(ulong openFiles)
    {
        // A workload's connection takes a socket and, if it is the first of its process, a handle of the process and perhaps one of its executable. What is left
        // over is for hosts, the server and the disk.
        Workloads = (int)Math.Min(MostOfWorkloads, openFiles / 8 * 3);
        Hosts = (int)Math.Min(MostOfHosts, openFiles / 16);
    }

    public int Workloads { get; }

    public int Hosts { get; }

    /// <summary>Raises the soft limit of open files to the hard one, which is the operator's (LimitNOFILE=), and goes by that.</summary>
    public static ConnectionLimits OfThisProcess()
    {
        const ulong unknown = 1024;
        if (GetLimit(NoFile, out var limit) != 0) return new ConnectionLimits(unknown);
        var raised = limit with { Soft = limit.Hard };
        return new ConnectionLimits(limit.Soft == limit.Hard || SetLimit(NoFile, raised) == 0 ? raised.Soft : limit.Soft);
    }

    [LibraryImport("libc", EntryPoint = "getrlimit")]
    private static partial int GetLimit(int resource, out Limit limit);

    [LibraryImport("libc", EntryPoint = "setrlimit")]
    private static partial int SetLimit(int resource, in Limit limit);

    // struct rlimit on 64-bit machines.
    private struct Limit
    {
        public ulong Soft;
        public ulong Hard;
    }
}
