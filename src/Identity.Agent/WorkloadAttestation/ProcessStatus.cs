using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Identity.Agent.WorkloadAttestation;

/// <summary>Whom a process runs as, from /proc/pid/status.</summary>
internal sealed record ProcessStatus(uint EffectiveUid, uint EffectiveGid, IReadOnlyList<uint> SupplementaryGids)
{
    private const int MaxGroups = 1024;

    public static bool TryRead(int pid, [NotNullWhen(true)] out ProcessStatus? status)
    {
        status = null;
        uint? uid = null, gid = null;
        var groups = new List<uint>();
        foreach (var line in ProcessFiles.ReadSmall($"/proc/{pid.ToString(CultureInfo.InvariantCulture)}/status").Split('\n'))
        {
            // Uid and Gid: real, effective, saved, file system.
            if (line.StartsWith("Uid:", StringComparison.Ordinal)) uid = Numbers(line).ElementAtOrDefault(1);
            else if (line.StartsWith("Gid:", StringComparison.Ordinal)) gid = Numbers(line).ElementAtOrDefault(1);
            else if (line.StartsWith("Groups:", StringComparison.Ordinal)) groups.AddRange(Numbers(line).OfType<uint>().Take(MaxGroups));
        }

        if (uid is null || gid is null) return false;
        status = new ProcessStatus(uid.Value, gid.Value, groups);
        return true;
    }

    private static IEnumerable<uint?> Numbers(string line) =>
        line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..]
            .Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)
            .Select(word => uint.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : (uint?)null);
}
