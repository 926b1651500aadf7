namespace Identity.Agent.WorkloadAttestation;

/// <summary>
/// Who connected, as the kernel saw it at connect(). A descriptor that is handed to another process still speaks for the one that connected, and for
/// nobody when that one has ended.
/// </summary>
internal sealed class PeerConnection(PeerProcess process, long owner, Action close) : IDisposable
{
    /// <summary>Stands for those the kernel does not name; an owner's number is another.</summary>
    public const long Nobody = -1;

    private Action? _close = close;

    public PeerProcess Process => process;

    public int Pid => process.Credentials.Pid;

    public uint Uid => process.Credentials.Uid;

    /// <summary>Whose user that is (<see cref="SubordinateUsers.OwnerOf"/>), for what is shared among users.</summary>
    public long Owner => owner;

    public bool IsAlive() => process.IsAlive();

    public void Dispose() => Interlocked.Exchange(ref _close, null)?.Invoke();
}
