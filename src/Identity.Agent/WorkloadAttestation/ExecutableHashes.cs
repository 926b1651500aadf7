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
internal sealed partial class ExecutableHashes(TimeProvider time, SubordinateUsers? users = null) : IDisposable
{
    /// <summary>Executables above this are not hashed, so they never match a <c>unix:sha256</c> selector.</summary>
    public const long MaxBytes = 512L << 20;

    private const int MaxKept = 1024;
    private const long Fuse = 0x65735546;
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(20);

    // Two at a time keeps the other cores for everyone else.
    private readonly SemaphoreSlim _hashing = new(2, 2);
    private readonly ConcurrentDictionary<FileStamp, string> _kept = new();
    private readonly Dictionary<long, Turn> _turns = [];

    /// <summary>Those who wait for a hash or have one made.</summary>
    public int Users
    {
        get
        {
            lock (_turns) return _turns.Count;
        }
    }

    /// <summary>
    /// The hash in lower-case hexadecimal. None when the file is too large or on a file system that its user answers for; none for now when it took too long or changed
    /// while being read.
    /// </summary>
    /// <param name="mayKeep">
    /// Whether the file is one that this process sees by name. Where only the caller sees it, it may lie on a file system the caller mounted, whose device and inode
    /// numbers and times can all be had again for another file.
    /// </param>
    /// <param name="uid">Whose process runs it.</param>
    public async ValueTask<ExecutableHash> OfAsync(SafeFileHandle file, bool mayKeep, uint uid)
    {
        if (FileStamp.Of(file) is not { } stamp || stamp.Size > MaxBytes || IsAnsweredByItsUser(file)) return new ExecutableHash(null, IsFinal: true);
        if (mayKeep && _kept.TryGetValue(stamp, out var kept)) return new ExecutableHash(kept, IsFinal: true);
        using var deadline = new CancellationTokenSource(Deadline, time);
        try
        {
            using var turn = await TakeTurnAsync(users?.OwnerOf(uid) ?? uid, deadline.Token);
            await _hashing.WaitAsync(deadline.Token);
            try
            {
                if (mayKeep && _kept.TryGetValue(stamp, out kept)) return new ExecutableHash(kept, IsFinal: true);
                var now = time.GetUtcNow();
                var hash = await HashAsync(file, deadline.Token);
                if (hash is null || FileStamp.Of(file) != stamp) return default;
                if (mayKeep && stamp.IsSettledAt(now)) Keep(stamp, hash);
                return new ExecutableHash(hash, IsFinal: true);
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

    private async ValueTask<IDisposable> TakeTurnAsync(long uid, CancellationToken cancellation)
    {
        Turn? turn;
        lock (_turns)
        {
            if (!_turns.TryGetValue(uid, out turn)) _turns[uid] = turn = new Turn(this, uid);
            turn.Users++;
        }

        try
        {
            await turn.Free.WaitAsync(cancellation);
            return turn;
        }
        catch
        {
            Leave(turn);
            throw;
        }
    }

    private void Leave(Turn turn)
    {
        lock (_turns)
        {
            if (--turn.Users == 0) _turns.Remove(turn.Uid);
        }
    }

    private static async ValueTask<string?> HashAsync(SafeFileHandle file, CancellationToken cancellation)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[256 << 10];
        for (long offset = 0; offset <= MaxBytes;)
        {
            var read = await RandomAccess.ReadAsync(file, buffer, offset, cancellation);
            if (read == 0) return Convert.ToHexStringLower(hash.GetHashAndReset());
            hash.AppendData(buffer, 0, read);
            offset += read;
        }

        return null; // It grew while being read.
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

    /// <summary>One at a time for one user. Disposing it lets the user's next one in; there is one holder at a time.</summary>
    private sealed class Turn(ExecutableHashes hashes, long uid) : IDisposable
    {
        public long Uid => uid;

        public SemaphoreSlim Free { get; } = new(1, 1);

        public int Users { get; set; }

        public void Dispose()
        {
            Free.Release();
            hashes.Leave(this);
        }
    }
}

/// <param name="Hash">Null when there is none.</param>
/// <param name="IsFinal">False when asking again could give another answer.</param>
internal readonly record struct ExecutableHash(string? Hash, bool IsFinal);
