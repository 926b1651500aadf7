using System.Globalization;
using Microsoft.Win32.SafeHandles;

namespace Identity.Agent.WorkloadAttestation;

/// <summary>Learns from the kernel which process is calling. Nothing the caller says is asked for.</summary>
internal sealed class WorkloadAttestor(AccountNames names, SystemdUnits units, NamedFiles files, ExecutableHashes hashes)
{
    private const string Deleted = " (deleted)";
    private const int MostAttempts = 5;

    /// <summary>Looks at the process once for each change, whatever number of its streams ask.</summary>
    /// <param name="withHash">Whether an entry asks for the executable's hash; reading all of it is not free.</param>
    public async Task<PeerAttestation> AttestAsync(PeerProcess process, bool withHash, Change change)
    {
        var attestation = await process.AttestOnceAsync(change.Number, withHash, AttestAsync);
        return process.IsAlive() ? attestation : Gone;
    }

    /// <summary>Looks at the process now.</summary>
    public async Task<PeerAttestation> AttestAsync(PeerProcess process, bool withHash)
    {
        await process.Looking.WaitAsync();
        try
        {
            return await LookAsync(process, withHash);
        }
        catch (ObjectDisposedException)
        {
            return Gone; // Its last connection closed meanwhile.
        }
        finally
        {
            process.Looking.Release();
        }
    }

    private static PeerAttestation.Refused Gone => new("the calling process is gone");

    private async ValueTask<PeerAttestation> LookAsync(PeerProcess process, bool withHash)
    {
        var (pid, uid, gid) = process.Credentials;
        var proc = $"/proc/{pid.ToString(CultureInfo.InvariantCulture)}";
        for (var attempt = 0; attempt < MostAttempts; attempt++)
        {
            if (ProcessFacts.Read(proc, pid) is not { } facts) return Gone;
            // connect() fixed these; a process that has since become someone else must connect again.
            if (facts.Status.EffectiveUid != uid || facts.Status.EffectiveGid != gid)
                return process.IsAlive() ? new PeerAttestation.Refused("the calling process changed its user or group after it connected; connect again") : Gone;

            var version = names.Version;
            if (process.Known is { } known && known.StillHolds(facts, version, withHash)
                && (known.Path is null || (await files.FindAsync(known.Path, uid) is { } found && found == facts.Executable?.File)))
                return process.IsAlive() ? known.Attested : Gone;

            var learned = await LearnAsync(proc, facts, version, withHash);
            // All of it was read under a number and one after the other: only now is it known to be about the peer, and of one moment.
            if (learned is not null && ProcessFacts.Read(proc, pid) == facts && process.IsAlive())
            {
                process.Known?.Dispose();
                process.Known = learned;
                return learned.Attested;
            }

            learned?.Dispose();
            if (!process.IsAlive()) return Gone;
        }

        return new PeerAttestation.Refused("the calling process became another program each time it was looked at; retry");
    }

    /// <summary>Null when the executable is another than the facts say.</summary>
    private async ValueTask<KnownProcess?> LearnAsync(string proc, ProcessFacts facts, object version, bool withHash)
    {
        var (uid, gid) = (facts.Status.EffectiveUid, facts.Status.EffectiveGid);
        var selectors = new HashSet<string>(StringComparer.Ordinal) { $"unix:uid:{Text(uid)}", $"unix:gid:{Text(gid)}" };
        if (names.UserOf(uid) is { } user) selectors.Add($"unix:user:{user}");
        if (names.GroupOf(gid) is { } group) selectors.Add($"unix:group:{group}");
        foreach (var supplementary in facts.Status.SupplementaryGids)
        {
            selectors.Add($"unix:supplementary_gid:{Text(supplementary)}");
            if (names.GroupOf(supplementary) is { } name) selectors.Add($"unix:supplementary_group:{name}");
        }

        selectors.UnionWith(units.SelectorsOf(facts.ControlGroups));

        // One descriptor for path and hash, so that both are of the same file whatever the process executes meanwhile. Another user's executable may be
        // closed to us; then it has neither selector.
        var executable = facts.Executable is null ? null : UnlockedFile.TryOpenUnread($"{proc}/exe");
        if (executable is null) return new KnownProcess(facts, version, null, isHashed: true, null, new PeerAttestation.Attested(selectors, "the agent may not look at its executable"));
        try
        {
            if (FileStamp.Of(executable) != facts.Executable) return null;
            var (path, withoutPath) = await PathOfAsync(executable, uid);
            if (path is not null) selectors.Add($"unix:path:{path}");
            // What only the caller sees is not read: it may lie on a file system of the caller's own, which gives other bytes to the agent than to the one who runs them,
            // or none for as long as the caller likes.
            var hash = (withHash, path) switch { (false, _) => default, (true, null) => ExecutableHash.None, _ => await hashes.OfAsync(executable, uid) };
            if (hash.Hash is not null) selectors.Add($"unix:sha256:{hash.Hash}");
            // Without a hash the file need not be held open: what else is said of it follows from its name, which is looked up each time.
            var held = hash.Hash is null ? null : executable;
            if (held is not null) executable = null;
            return new KnownProcess(facts, version, path, hash.IsFinal, held, new PeerAttestation.Attested(selectors, withoutPath) { IsHashPending = withHash && !hash.IsFinal });
        }
        finally
        {
            executable?.Dispose();
        }
    }

    // The path is what the caller's mount namespace shows, and anybody may make one that shows their own file there. It counts only when it leads to the
    // same file here; and only when a person reading it in a refusal or in an entry reads the same.
    private async ValueTask<(string? Path, string? Without)> PathOfAsync(SafeFileHandle executable, uint uid)
    {
        var path = TargetOf($"/proc/self/fd/{executable.DangerousGetHandle()}");
        if (path is null) return (null, "its executable has no path, or one that is too long");
        if (path.EndsWith(Deleted, StringComparison.Ordinal))
            return (null, "its executable was replaced or deleted after it started, as a rebuild or an upgrade does; start it anew");
        if (path.Any(char.IsControl)) return (null, "the path of its executable holds control characters");
        return FileIdentity.Of(executable) is { } running && await files.FindAsync(path, uid) == running ? (path, null) : (null, "at the path of its executable the agent sees another file");
    }

    private static string? TargetOf(string link)
    {
        try
        {
            return File.ResolveLinkTarget(link, returnFinalTarget: false)?.FullName;
        }
        catch (IOException)
        {
            // The kernel shows no path of more than a page.
            return null;
        }
    }

    private static string Text(uint number) => number.ToString(CultureInfo.InvariantCulture);
}
