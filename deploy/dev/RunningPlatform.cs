using System.Diagnostics;
using System.Globalization;
using Identity.Testing.Platform;

namespace Identity.Dev;

/// <summary>
/// Who has the folder: a process that is up in the foreground, which holds its lock, or what <c>up --detach</c> left running, noted in a file: pid and start
/// time, so that a recycled pid is never ended.
/// </summary>
internal sealed class RunningPlatform(string folder)
{
    private string PidFile => Path.Combine(folder, "pids");

    private string LockFile => Path.Combine(folder, "lock");

    private string HolderFile => Path.Combine(folder, "holder");

    /// <summary>Why nothing else may come up in this folder, and how to end what is there; null when nothing is.</summary>
    public string? WhyTaken()
    {
        if (Known().Any()) return "it is up already; ./dev down ends it.";
        if (!File.Exists(LockFile)) return null;
        using var ours = TryLock();
        return ours is null ? Held() : null;
    }

    /// <summary>Takes the folder until the answer is disposed of, or this process ends.</summary>
    /// <param name="problem">See <see cref="WhyTaken"/>.</param>
    public IDisposable? Take(out string? problem)
    {
        Directory.CreateDirectory(folder);
        problem = Known().Any() ? WhyTaken() : null;
        if (problem is not null) return null;
        var ours = TryLock();
        if (ours is null) problem = Held();
        else File.WriteAllText(HolderFile, $"{Environment.ProcessId}");
        return ours;
    }

    public void Note(IEnumerable<int> pids) => File.WriteAllLines(PidFile, pids.Select(pid => $"{pid} {StartTime(pid)}"));

    public async Task<int> EndAsync(TextWriter output)
    {
        var pids = Known().ToArray();
        foreach (var pid in pids)
        {
            ManagedProcess.Terminate(pid);
            var patience = Stopwatch.StartNew();
            while (StartTime(pid) is not null && patience.Elapsed < TimeSpan.FromSeconds(15))
                await Task.Delay(20);
            if (StartTime(pid) is not null)
                ManagedProcess.Kill(pid);
        }
        if (Directory.Exists(folder))
            File.Delete(PidFile);
        if (pids.Length == 0 && WhyTaken() is { } taken)
        {
            await output.WriteLineAsync($"Nothing was left running with --detach, but {taken}");
            return 1;
        }
        await output.WriteLineAsync(pids.Length > 0 ? $"Ended {pids.Length} processes; what they stored is in {folder}." : $"Nothing of {folder} was running.");
        return 0;
    }

    /// <summary>Writes <c>.dev/env</c>, for <c>source .dev/env</c>.</summary>
    public void WriteVariables(string root, LocalPlatform platform)
    {
        var file = Path.Combine(folder.StartsWith(Path.Combine(root, ".dev"), StringComparison.Ordinal) ? Path.Combine(root, ".dev") : folder, "env");
        File.WriteAllLines(file, Variables(platform).Select(variable => $"export {variable.Name}=\"{variable.Value}\""));
    }

    public static IEnumerable<(string Name, string Value)> Variables(LocalPlatform platform) =>
    [
        ("SPIFFE_ENDPOINT_SOCKET", $"unix://{platform.WorkloadSocket}"),
        ("IDENTITY_ADMIN_SOCKET", platform.AdminSocket),
        ("IDENTITY_SERVER", $"127.0.0.1:{platform.Ports.Grpc}"),
        ("IDENTITY_BUNDLE", platform.BundleFile),
        ("IDENTITY_BROKER_SOCKET", $"unix://{platform.BrokerSocket}"),
        ("NATS_URL", platform.NatsUrl),
        ("NATS_CA", platform.NatsCaFile),
        ("ISTIO_CA_ADDRESS", $"https://localhost:{platform.Ports.Istio}"),
        ("ISTIO_CA_ROOT", platform.BundleFile),
        ("ISTIO_TOKEN_FILE", Path.Combine(platform.Folder, "istio", "ztunnel-token")),
        ("PATH", $"{Path.GetDirectoryName(Repository.Program("Identity.Cli", "identity"))}:{Path.GetDirectoryName(Repository.Program("Identity.WasmHost", "identity-host"))}:$PATH"),
    ];

    private FileStream? TryLock()
    {
        try
        {
            // FileShare.None takes flock(LOCK_EX), which the kernel drops with the process, however that ends.
            return new FileStream(LockFile, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException)
        {
            return null;
        }
    }

    private string Held()
    {
        // Written just after the lock was taken; it may not be there yet.
        var pid = File.Exists(HolderFile) ? File.ReadAllText(HolderFile).Trim() : "";
        return $"{(pid.Length > 0 ? $"process {pid}" : "another process")} is up in {folder} already; end it with Ctrl-C where it runs{(pid.Length > 0 ? $", or kill {pid}" : "")}, "
            + "or give this one a folder and ports of its own: --folder PATH --any-port.";
    }

    private IEnumerable<int> Known()
    {
        if (!File.Exists(PidFile))
            yield break;
        foreach (var line in File.ReadAllLines(PidFile))
        {
            if (line.Split(' ') is [var pid, var start] && int.TryParse(pid, CultureInfo.InvariantCulture, out var number) && StartTime(number) == start)
                yield return number;
        }
    }

    /// <summary>Field 22 of /proc/PID/stat (proc(5)); null when there is no such process or it only waits to be reaped.</summary>
    private static string? StartTime(int pid)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{pid}/stat");
            var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            return fields[0] == "Z" ? null : fields[19];
        }
        catch (IOException)
        {
            return null;
        }
    }
}
