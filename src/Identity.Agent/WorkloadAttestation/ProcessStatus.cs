using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Identity.Agent.WorkloadAttestation;

/// <summary>Whom a process runs as, from /proc/pid/status.</summary>
/// <param name="Groups">The supplementary groups as the kernel writes them.</param>
internal sealed record ProcessStatus(uint EffectiveUid, uint EffectiveGid, string Groups)
{
    private const int MaxGroups = 1024;

    public IEnumerable<uint> SupplementaryGids => Numbers(Groups).OfType<uint>().Take(MaxGroups);

    public static bool TryRead(int pid, [NotNullWhen(true)] out ProcessStatus? status)
    {
        status = null;
        uint? uid = null, gid = null;
        var groups = "";
        foreach (var line in ProcessFiles.ReadSmall($"/proc/{pid.ToString(CultureInfo.InvariantCulture)}/status").AsSpan().EnumerateLines())
        {
            // Uid and Gid: real, effective, saved, file system.
            if (line.StartsWith("Uid:", StringComparison.Ordinal)) uid = Numbers(line[4..].ToString()).ElementAtOrDefault(1);
            else if (line.StartsWith("Gid:", StringComparison.Ordinal)) gid = Numbers(line[4..].ToString()).ElementAtOrDefault(1);
            else if (line.StartsWith("Groups:", StringComparison.Ordinal)) groups = line[7..].Trim().ToString();
        }

        if (uid is null || gid is null) return false;
        status = new ProcessStatus(uid.Value, gid.Value, groups);
        return true;
    }

    private static IEnumerable<uint?> Numbers(string text) =>
        text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)
            .Select(word => uint.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : (uint?)null);
}
