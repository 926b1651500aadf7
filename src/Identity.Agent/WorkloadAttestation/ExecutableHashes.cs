using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;

namespace Identity.Agent.WorkloadAttestation;

/// <summary>
/// SHA-256 of executables, of those everybody runs only once. Hashing is work a stranger can ask for: bounded in size, time and number at once, and each user waits
/// for its own before it waits for others, so that one with many large programs is never more than one ahead of anybody else.
/// </summary>
/// <param name="users">Who counts as one user; null counts each number.</param>
/// <param name="read">Reads a file's hash, however long the kernel takes for that, as <see cref="Read"/> does; null for that.</param>
internal sealed partial class ExecutableHashes(TimeProvider time, SubordinateUsers? users = null, Func<SafeFileHandle, CancellationToken, ExecutableHash>? read = null) : IDisposable
{
    /// <summary>Executables above this are not hashed, so they never match a <c>unix:sha256</c> selector.</summary>
    public const long MaxBytes = 512L << 20;

    private const int MaxKept = 1024;
    private const long Fuse = 0x65735546;
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(20);

    // Two at a time keeps the other cores for everyone else.
    private readonly SemaphoreSlim _hashing = new(2, 2);
    private readonly OwnThreads _threads = new();
    private readonly ConcurrentDictionary<FileStamp, string> _kept = new();

    /// <summary>Those who wait for a hash or have one made.</summary>
    public int Users => _threads.Owners;

    /// <summary>
    /// The hash in lower-case hexadecimal. None when the file is too large, closed to us or on a file system that its user answers for; none for now when it took too long
    /// or changed while being read.
    /// </summary>
    /// <param name="file">
    /// One that this process sees by name. Where only the caller sees it, it may lie on a file system the caller mounted, whose device and inode numbers and times can all
    /// be had again for another file.
    /// </param>
    /// <param name="uid">Whose process runs it.</param>
    public async ValueTask<ExecutableHash> OfAsync(SafeFileHandle file, uint uid)
    {
        if (FileStamp.Of(file) is not { } stamp || stamp.Size > MaxBytes) return ExecutableHash.None;
        if (_kept.TryGetValue(stamp, out var kept)) return new ExecutableHash(kept, IsFinal: true);
        using var deadline = new CancellationTokenSource(Deadline, time);
        try
        {
            using var turn = await _threads.TakeTurnAsync(users?.OwnerOf(uid) ?? uid, deadline.Token);
            await _hashing.WaitAsync(deadline.Token);
            try
            {
                if (_kept.TryGetValue(stamp, out kept)) return new ExecutableHash(kept, IsFinal: true);
                var now = time.GetUtcNow();
                // At the deadline others may go on, whether or not the kernel has come back. The turn is the owner's until it has.
                var hash = await turn.Ask(() => (read ?? Read)(file, deadline.Token)).WaitAsync(deadline.Token);
                if (hash.Hash is null) return hash;
                if (FileStamp.Of(file) != stamp) return default;
                if (stamp.IsSettledAt(now)) Keep(stamp, hash.Hash);
                return hash;
            }
            finally
            {
                _hashing.Release();
            }
        }
        catch (OperationCanceledException)
        {
            return default;
        }
    }

    public void Dispose() => _hashing.Dispose();

    private static ExecutableHash Read(SafeFileHandle file, CancellationToken cancellation)
    {
        if (IsAnsweredByItsUser(file)) return ExecutableHash.None;
        using var content = UnlockedFile.TryOpenContent(file);
        if (content is null) return ExecutableHash.None;
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[256 << 10];
        for (long offset = 0; offset <= MaxBytes;)
        {
            cancellation.ThrowIfCancellationRequested();
            var read = RandomAccess.Read(content, buffer, offset);
            if (read == 0) return new ExecutableHash(Convert.ToHexStringLower(hash.GetHashAndReset()), IsFinal: true);
            hash.AppendData(buffer, 0, read);
            offset += read;
        }

        return default; // It grew while being read.
    }

    private void Keep(FileStamp stamp, string hash)
    {
        if (_kept.Count >= MaxKept) _kept.Clear();
        _kept[stamp] = hash;
    }

    // Such a file system may answer each reader differently.
    private static bool IsAnsweredByItsUser(SafeFileHandle file)
    {
        Span<long> found = stackalloc long[32]; // struct statfs, whose first word is the type
        return FStatFs(file, found) != 0 || found[0] == Fuse;
    }

    [LibraryImport("libc", EntryPoint = "fstatfs", SetLastError = true)]
    private static partial int FStatFs(SafeFileHandle file, Span<long> found);
}

/// <param name="Hash">Null when there is none.</param>
/// <param name="IsFinal">False when asking again could give another answer.</param>
internal readonly record struct ExecutableHash(string? Hash, bool IsFinal)
{
    public static ExecutableHash None => new(null, IsFinal: true);
}
