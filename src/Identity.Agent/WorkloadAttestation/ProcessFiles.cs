using System.Globalization;

namespace Identity.Agent.WorkloadAttestation;

/// <summary>Reads what the kernel says about a process under /proc; a process that is gone reads as nothing.</summary>
internal static class ProcessFiles
{
    private const int MaxBytes = 64 << 10;

    /// <exception cref="IOException">It cannot be read now, which says nothing about the process.</exception>
    public static string ReadSmall(string path) => System.Text.Encoding.UTF8.GetString(UnlockedFile.TryRead(path, MaxBytes) ?? []);

    public static bool TryReadState(int pid, out char state)
    {
        var fields = StatAfterName(pid);
        state = fields.Length > 0 && fields[0].Length == 1 ? fields[0][0] : '\0';
        return state != '\0';
    }

    /// <summary>Clock ticks since boot at which the process started: proc_pid_stat(5), field 22.</summary>
    public static bool TryReadStartTime(int pid, out ulong startTime)
    {
        startTime = 0;
        var fields = StatAfterName(pid);
        return fields.Length > 19 && ulong.TryParse(fields[19], NumberStyles.None, CultureInfo.InvariantCulture, out startTime);
    }

    // The name, field 2, is in parentheses and may itself hold spaces and parentheses.
    private static string[] StatAfterName(int pid)
    {
        var text = ReadSmall($"/proc/{pid.ToString(CultureInfo.InvariantCulture)}/stat");
        var end = text.LastIndexOf(')');
        return end < 0 ? [] : text[(end + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
    }
}
