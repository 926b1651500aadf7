namespace Identity.Agent.WorkloadAttestation;

/// <summary>
/// Which unit of the machine's service manager a process belongs to, by its control group, which is how systemd itself answers GetUnitByPID. Units of users'
/// own managers are not told apart: all a user starts belongs to the one unit that the system manager made for that user.
/// </summary>
internal sealed class SystemdUnits(string root = "/")
{
    // linux/proc_fs.h, PROC_CGROUP_INIT_INO: the namespace in which paths begin at the machine's root and not at some container's.
    private const string InitialNamespace = "cgroup:[4026531835]";
    private const int MaxNameLength = 255; // UNIT_NAME_MAX

    // systemd.unit(5), "System Unit Search Path": the first that has the file has the unit.
    private static readonly string[] SearchPath =
    [
        "etc/systemd/system.control", "run/systemd/system.control", "run/systemd/transient", "run/systemd/generator.early", "etc/systemd/system",
        "etc/systemd/system.attached", "run/systemd/system", "run/systemd/system.attached", "run/systemd/generator", "usr/local/lib/systemd/system",
        "usr/lib/systemd/system", "lib/systemd/system", "run/systemd/generator.late",
    ];

    // sd_booted(3), and that what the kernel shows us begins where systemd's tree does.
    private readonly bool _isThere = Directory.Exists(Path.Combine(root, "run/systemd/system")) && NamespaceOf(root) == InitialNamespace;

    /// <summary>The selectors of systemd's workload attestor: <c>systemd:id:</c> and <c>systemd:fragment_path:</c>.</summary>
    public IEnumerable<string> SelectorsOf(string controlGroups)
    {
        if (!_isThere || UnitOf(controlGroups) is not { } unit) yield break;
        yield return $"systemd:id:{unit}";
        if (FragmentOf(unit) is { } fragment) yield return $"systemd:fragment_path:{fragment}";
    }

    /// <param name="controlGroups">/proc/pid/cgroup.</param>
    public static string? UnitOf(string controlGroups)
    {
        string? path = null;
        foreach (var line in controlGroups.Split('\n'))
        {
            // cgroups(7): number:controllers:path. Where the old hierarchy has systemd's own tree, that one is systemd's.
            var fields = line.Split(':', 3);
            if (fields.Length != 3) continue;
            if (fields[1] == "name=systemd") return UnitOfPath(fields[2]);
            if (fields[0] == "0" && fields[1].Length == 0) path = fields[2];
        }

        return path is null ? null : UnitOfPath(path);
    }

    // The first group that is no slice is the unit's own; what lies below may have been delegated, and there names mean nothing.
    private static string? UnitOfPath(string path)
    {
        foreach (var group in path.Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            var name = group.StartsWith('_') ? group[1..] : group; // cg_escape: names that the kernel could mistake for its own
            if (IsUnitName(name, ".slice")) continue;
            return IsUnitName(name, ".service") || IsUnitName(name, ".scope") || IsUnitName(name, ".socket") || IsUnitName(name, ".mount") || IsUnitName(name, ".swap")
                ? name
                : null;
        }

        return null;
    }

    private static bool IsUnitName(string name, string suffix) =>
        name.Length > suffix.Length && name.Length <= MaxNameLength && name.EndsWith(suffix, StringComparison.Ordinal)
        && name.All(static c => char.IsAsciiLetterOrDigit(c) || ":-_.\\@".Contains(c, StringComparison.Ordinal));

    private string? FragmentOf(string unit)
    {
        var at = unit.IndexOf('@', StringComparison.Ordinal);
        return Find(unit) ?? (at < 0 ? null : Find(unit[..(at + 1)] + unit[unit.LastIndexOf('.')..]));
    }

    private string? Find(string file)
    {
        try
        {
            foreach (var folder in SearchPath)
            {
                var found = new FileInfo(Path.Combine(root, folder, file));
                if (found.Exists) return found.ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? found.FullName;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }

        return null;
    }

    private static string? NamespaceOf(string root)
    {
        try
        {
            return File.ResolveLinkTarget(Path.Combine(root, "proc/self/ns/cgroup"), returnFinalTarget: false)?.Name;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
