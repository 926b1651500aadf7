using Microsoft.Win32.SafeHandles;

namespace Identity.Agent.WorkloadAttestation;

/// <summary>
/// A process that has connections open, as the user it was when it made them. All of its connections share one of these, so what is asked about
/// it is asked once for each change and not once for each stream.
/// </summary>
internal sealed class PeerProcess : IDisposable
{
    private readonly SafeFileHandle _pidfd;
    private readonly IDisposable _watched;
    private readonly CancellationTokenSource _ended = new();
    private readonly Lock _lock = new();
    private (long Change, bool WithHash, Task<PeerAttestation> Attestation)? _newest;

    public PeerProcess(PeerCredentials credentials, SafeFileHandle pidfd, ProcessWatch watch)
    {
        (Credentials, _pidfd) = (credentials, pidfd);
        Ended = _ended.Token;
        _watched = watch.Watch(pidfd, _ended);
    }

    public PeerCredentials Credentials { get; }

    /// <summary>Cancelled when the process ends.</summary>
    public CancellationToken Ended { get; }

    /// <summary>One attestation at a time: the second finds what the first found out.</summary>
    public SemaphoreSlim Looking { get; } = new(1, 1);

    /// <summary>What was found out last; only whoever looks may touch it.</summary>
    public KnownProcess? Known { get; set; }

    /// <summary>True while the process that connected runs, so that what was just read under its number was read about it.</summary>
    public bool IsAlive() => PidFd.IsAlive(_pidfd);

    /// <summary>Attests once for each change, however many streams ask; an attestation begun after the change has seen it.</summary>
    public Task<PeerAttestation> AttestOnceAsync(long change, bool withHash, Func<PeerProcess, bool, Task<PeerAttestation>> attest)
    {
        lock (_lock)
        {
            if (_newest is { } newest && newest.Change >= change && (newest.WithHash || !withHash)) return newest.Attestation;
            // Not on this caller's time: others wait for the same lock.
            var attestation = Task.Run(() => attest(this, withHash));
            _newest = (change, withHash, attestation);
            return attestation;
        }
    }

    public void Dispose()
    {
        _watched.Dispose();
        _pidfd.Dispose();
        Known?.Dispose();
    }
}

/// <summary>What the kernel noted at connect(): process number, effective user and group.</summary>
internal readonly record struct PeerCredentials(int Pid, uint Uid, uint Gid);
