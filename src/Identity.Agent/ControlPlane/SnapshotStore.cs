using Google.Protobuf;

namespace Identity.Agent.ControlPlane;

/// <summary>
/// The last snapshot on disk. Policy, which may be megabytes, has a file of its own and is written only when it changed: the change of an entry does not wait
/// for it. Policy first: after a crash between the two it is newer than the rest, never older.
/// </summary>
internal sealed class SnapshotStore(string folder)
{
    private const int MaxBytes = 256 << 20;

    private readonly string _snapshot = Path.Combine(folder, "snapshot.pb");
    private readonly string _policy = Path.Combine(folder, "policy.pb");
    private HeldPolicy? _stored;

    /// <summary>Throws <see cref="IOException"/> or <see cref="UnauthorizedAccessException"/>; what was stored before is then what a restart finds.</summary>
    /// <param name="held">All of policy, whatever difference the snapshot told.</param>
    public void Write(V1.Snapshot snapshot, HeldPolicy held)
    {
        if (!ReferenceEquals(held, _stored))
        {
            _stored = null;
            PrivateFiles.Replace(_policy, held.ToMessage().ToByteArray());
            _stored = held;
        }

        PrivateFiles.Replace(_snapshot, new V1.Snapshot(snapshot) { Policy = null }.ToByteArray());
    }

    /// <summary>Null when nothing is stored. Throws <see cref="IOException"/>, <see cref="UnauthorizedAccessException"/> or <see cref="InvalidProtocolBufferException"/> when one of the two files is gone or cannot be read.</summary>
    public V1.Snapshot? ReadIfExists()
    {
        if (PrivateFiles.ReadIfExists(_snapshot, MaxBytes) is not { } stored) return null;
        var snapshot = V1.Snapshot.Parser.ParseFrom(stored);
        // As agents wrote it before policy had a file of its own.
        if (snapshot.Policy is not null) return snapshot;
        // Without its forbids the rest is not what was told.
        var policy = PrivateFiles.ReadIfExists(_policy, MaxBytes) ?? throw new IOException($"'{_policy}' is missing");
        snapshot.Policy = V1.PolicySnapshot.Parser.ParseFrom(policy);
        return snapshot;
    }

    /// <summary>The snapshot first: policy alone is nothing.</summary>
    public void Forget()
    {
        _stored = null;
        File.Delete(_snapshot);
        File.Delete(_policy);
    }
}
