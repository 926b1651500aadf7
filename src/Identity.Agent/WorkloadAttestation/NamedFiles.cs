namespace Identity.Agent.WorkloadAttestation;

/// <summary>
/// Which file the agent sees under a name that a stranger chose. What the kernel knows without asking anybody is taken at once; for the rest, one question of each
/// user is under way at a time.
/// </summary>
/// <param name="users">Who counts as one user; null counts each number.</param>
/// <param name="look">Looks it up however long that takes; null asks the kernel.</param>
internal sealed class NamedFiles(TimeProvider time, SubordinateUsers? users = null, Func<string, FileIdentity?>? look = null)
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(10);

    private readonly OwnThreads _threads = new();

    /// <summary>Null when there is none.</summary>
    /// <param name="uid">Whose process the name came from.</param>
    /// <exception cref="IOException">The answer takes too long, which says nothing about the file.</exception>
    public async ValueTask<FileIdentity?> FindAsync(string path, uint uid)
    {
        if (look is null && FileIdentity.OfCached(path) is { } known) return known;
        using var deadline = new CancellationTokenSource(Deadline, time);
        try
        {
            return await _threads.AskAsync(users?.OwnerOf(uid) ?? uid, () => look is null ? FileIdentity.Of(path) : look(path), deadline.Token);
        }
        catch (OperationCanceledException)
        {
            throw new IOException("the path of an executable takes too long to look up");
        }
    }
}
