namespace Identity.Agent.WorkloadAttestation;

/// <summary>
/// Who connected, as the kernel saw it at connect(). A descriptor that is handed to another process still speaks for the one that connected, and for
/// nobody when that one has ended.
/// </summary>
internal sealed class PeerConnection(PeerProcess process, Action close) : IDisposable
{
    private Action? _close = close;

    public PeerProcess Process => process;

    public int Pid => process.Credentials.Pid;

    public uint Uid => process.Credentials.Uid;

    public bool IsAlive() => process.IsAlive();

    public void Dispose() => Interlocked.Exchange(ref _close, null)?.Invoke();
}
