using System.Globalization;

namespace Identity.Benchmarks.WorkloadApi;

/// <summary>What another process has used, from /proc.</summary>
internal static class ProcessUsage
{
    private const double TicksPerSecond = 100; // USER_HZ

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

    private static long Number(string text) => long.Parse(text, CultureInfo.InvariantCulture);
}
