using System.Globalization;

namespace Identity.Benchmarks.WorkloadApi;

/// <summary>What another process has used, from /proc.</summary>
internal static class ProcessUsage
{
    private const double TicksPerSecond = 100; // USER_HZ
    private const string OpenFiles = "Max open files";

    public static TimeSpan Cpu(int pid)
    {
        var stat = File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/stat"));
        var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        return TimeSpan.FromSeconds((Number(fields[11]) + Number(fields[12])) / TicksPerSecond);
    }

    /// <summary>Resident bytes.</summary>
    public static long Memory(int pid) =>
        Number(File.ReadLines(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/status")).First(l => l.StartsWith("VmRSS:", StringComparison.Ordinal))
            .Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)[1]) * 1024;

    /// <summary>How many files a process may have open: the soft limit, which .NET and the agent have raised to the hard one by the time they run.</summary>
    public static long MaxOpenFiles(int pid) =>
        Number(File.ReadLines(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/limits")).First(l => l.StartsWith(OpenFiles, StringComparison.Ordinal))[OpenFiles.Length..]
            .Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)[0]);

    private static long Number(string text) => long.Parse(text, CultureInfo.InvariantCulture);
}
