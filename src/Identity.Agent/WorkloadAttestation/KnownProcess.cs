using Microsoft.Win32.SafeHandles;

namespace Identity.Agent.WorkloadAttestation;

/// <summary>What the kernel says of a process at one moment, cheap to read. As long as it stays the same, so does what follows from it.</summary>
/// <param name="Executable">Null when it may not be looked at.</param>
internal sealed record ProcessFacts(FileStamp? Executable, ProcessStatus Status, string ControlGroups)
{
    /// <summary>Null when the process is gone.</summary>
    public static ProcessFacts? Read(string proc, int pid)
    {
        // The user last: a program that drops its rights and starts another is seen either as it was or as it became, never as a mixture with more rights.
        var executable = FileStamp.Of($"{proc}/exe");
        var groups = ProcessFiles.ReadSmall($"{proc}/cgroup");
        return ProcessStatus.TryRead(pid, out var status) ? new ProcessFacts(executable, status, groups) : null;
    }
}

/// <summary>
/// What was found out about a process. Holds its executable open: while it does, no other file can come by the same device and inode number, so equal
/// facts are about the same file.
/// </summary>
internal sealed class KnownProcess(ProcessFacts facts, object names, string? path, bool isHashed, SafeFileHandle? executable, PeerAttestation.Attested attested) : IDisposable
{
    public PeerAttestation.Attested Attested => attested;

    /// <summary>Where the agent saw the executable; null when nowhere.</summary>
    public string? Path => path;

    /// <summary>True when looking again would find the same, as far as <see cref="Path"/> still leads there.</summary>
    public bool StillHolds(ProcessFacts now, object namesNow, bool withHash) =>
        now == facts && names.Equals(namesNow) && (isHashed || !withHash);

    public void Dispose() => executable?.Dispose();
}
