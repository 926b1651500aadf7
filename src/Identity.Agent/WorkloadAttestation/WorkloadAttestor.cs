using System.Globalization;
using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;

namespace Identity.Agent.WorkloadAttestation;

/// <summary>Learns from the kernel which process is calling. Nothing the caller says is asked for.</summary>
internal sealed class WorkloadAttestor(AccountNames names) : IDisposable
{
    /// <summary>Executables above this are not hashed, so they never match a <c>unix:sha256</c> selector.</summary>
    public const long MaxHashedBytes = 512L << 20;

    private const string Deleted = " (deleted)";

    // Hashing is work a stranger can ask for; two at a time keeps the other core for everyone else.
    private readonly SemaphoreSlim _hashing = new(2, 2);

    /// <param name="withHash">Whether an entry asks for the executable's hash; reading all of it is not free.</param>
    public async ValueTask<PeerAttestation> AttestAsync(PeerConnection peer, bool withHash, CancellationToken cancellation)
    {
        if (!ProcessStatus.TryRead(peer.Pid, out var status)) return new PeerAttestation.Refused("the calling process is gone");
        // connect() fixed these; a process that has since become someone else must connect again.
        if (status.EffectiveUid != peer.Uid || status.EffectiveGid != peer.Gid)
            return new PeerAttestation.Refused("the calling process changed its user or group after it connected; connect again");

        var selectors = new HashSet<string>(StringComparer.Ordinal) { $"unix:uid:{Text(peer.Uid)}", $"unix:gid:{Text(peer.Gid)}" };
        if (names.UserOf(peer.Uid) is { } user) selectors.Add($"unix:user:{user}");
        if (names.GroupOf(peer.Gid) is { } group) selectors.Add($"unix:group:{group}");
        foreach (var gid in status.SupplementaryGids)
        {
            selectors.Add($"unix:supplementary_gid:{Text(gid)}");
            if (names.GroupOf(gid) is { } name) selectors.Add($"unix:supplementary_group:{name}");
        }

        await AddExecutableAsync(peer.Pid, withHash, selectors, cancellation);

        // Last: everything above was read under a number; only now is it known to be about the peer.
        return peer.IsAlive() ? new PeerAttestation.Attested(selectors) : new PeerAttestation.Refused("the calling process is gone");
    }

    public void Dispose() => _hashing.Dispose();

    private async ValueTask AddExecutableAsync(int pid, bool withHash, HashSet<string> selectors, CancellationToken cancellation)
    {
        try
        {
            // One descriptor for both, so that path and hash are of the same file whatever the process executes meanwhile.
            using var executable = File.OpenHandle(
                $"/proc/{Text(pid)}/exe", FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            var path = File.ResolveLinkTarget($"/proc/self/fd/{executable.DangerousGetHandle()}", returnFinalTarget: false)?.FullName;
            if (path is not null && !path.EndsWith(Deleted, StringComparison.Ordinal) && IsSeenAt(path, executable)) selectors.Add($"unix:path:{path}");
            if (withHash && await HashAsync(executable, cancellation) is { } hash) selectors.Add($"unix:sha256:{hash}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The executable of another user's process may be closed to us; then it has neither selector.
        }
    }

    // The path is what the caller's mount namespace shows, and anybody may make one that shows their own file there. It counts only when
    // it leads to the same file here.
    private static bool IsSeenAt(string path, SafeFileHandle executable) =>
        FileIdentity.Of(executable) is { } running && FileIdentity.Of(path) == running;

    private async ValueTask<string?> HashAsync(SafeFileHandle file, CancellationToken cancellation)
    {
        if (RandomAccess.GetLength(file) > MaxHashedBytes) return null;
        await _hashing.WaitAsync(cancellation);
        try
        {
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            var buffer = new byte[256 << 10];
            for (long offset = 0; offset <= MaxHashedBytes;)
            {
                var read = await RandomAccess.ReadAsync(file, buffer, offset, cancellation);
                if (read == 0) return Convert.ToHexStringLower(hash.GetHashAndReset());
                hash.AppendData(buffer, 0, read);
                offset += read;
            }

            return null; // It grew while being read.
        }
        finally
        {
            _hashing.Release();
        }
    }

    private static string Text(uint number) => number.ToString(CultureInfo.InvariantCulture);

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
