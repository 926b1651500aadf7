using System.Globalization;

namespace Identity.Agent.WorkloadAttestation;

/// <summary>Reads what the kernel says about a process under /proc; a process that is gone reads as nothing.</summary>
internal static class ProcessFiles
{
    private const int MaxBytes = 64 << 10;

    public static string ReadSmall(string path)
    {
        try
        {
            using var file = File.OpenHandle(path);
            var buffer = new byte[4096];
            var text = new System.Text.StringBuilder();
            for (long offset = 0; offset < MaxBytes;)
            {
                var read = RandomAccess.Read(file, buffer, offset);
                if (read == 0) break;
                text.Append(System.Text.Encoding.UTF8.GetString(buffer, 0, read));
                offset += read;
            }

            return text.ToString();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }

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
