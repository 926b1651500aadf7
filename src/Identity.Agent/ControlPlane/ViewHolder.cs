using Google.Protobuf;
using Identity.Agent.NodeEnrollment;

namespace Identity.Agent.ControlPlane;

/// <summary>The newest view, and its copy on disk so that a restart while the server is away goes on where the agent was.</summary>
internal sealed partial class ViewHolder(AgentOptions options, ServerTrust trust, ChangeFeed changes, TimeProvider time, ILogger<ViewHolder> log)
{
    private readonly SnapshotStore _store = new(options.DataDirectory);
    private readonly TaskCompletionSource _first = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile ControlPlaneView? _current;

    /// <summary>Null until the server, or the disk, has told anything.</summary>
    public ControlPlaneView? Current => _current;

    /// <summary>Completes when there is a view.</summary>
    public Task First => _first.Task;

    /// <returns>False when the snapshot cannot be used; the view before it stays.</returns>
    public bool Accept(V1.Snapshot snapshot, bool store)
    {
        if (!ControlPlaneView.TryRead(snapshot, options.TrustDomain, _current?.Held ?? HeldPolicy.None, time.GetUtcNow(), out var view, out var skipped, out var problem))
        {
            SnapshotRefused(snapshot.Revision, problem);
            return false;
        }

        foreach (var flaw in skipped) PartSkipped(flaw);
        try
        {
            trust.Learn(view.Bundle);
            // The disk first: what this agent has acted on, it still knows after a crash.
            if (store) _store.Write(snapshot, view.Held);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // What was taken away is taken away now, whatever a restart would find.
            SnapshotNotStored(snapshot.Revision, e.Message);
        }

        Publish(view);
        return true;
    }

    public void LoadStored()
    {
        try
        {
            if (_store.ReadIfExists() is { } stored) Accept(stored, store: false);
        }
        catch (Exception e) when (e is InvalidProtocolBufferException or IOException or UnauthorizedAccessException)
        {
            StoredSnapshotUnreadable(options.DataDirectory, e.Message);
        }
    }

    /// <summary>A new attestation is a new agent: what the old one was told does not hold for it.</summary>
    public void ForgetStored() => _store.Forget();

    /// <param name="decision">Under which the server explains it; null when it named none.</param>
    public void Revoke(string? decision = null)
    {
        // What was taken away is taken away now, whatever the disk says.
        if (_current is { } view) Publish(view.Revoked(decision));
        try
        {
            ForgetStored();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            StoredSnapshotStays(options.DataDirectory, e.Message);
        }
    }

    /// <summary>Takes away the keys that have expired. A view that comes meanwhile was read without them.</summary>
    public void DropExpiredKeys()
    {
        if (_current is not { } view) return;
        var rest = view.WithoutExpiredKeys(time.GetUtcNow());
        if (!ReferenceEquals(rest, view) && ReferenceEquals(Interlocked.CompareExchange(ref _current, rest, view), view)) changes.Signal();
    }

    private void Publish(ControlPlaneView view)
    {
        _current = view;
        _first.TrySetResult();
        changes.Signal();
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "snapshot {Revision} refused, the one before stays in force: {Problem}")]
    private partial void SnapshotRefused(ulong revision, string problem);

    [LoggerMessage(Level = LogLevel.Error, Message =
        "snapshot {Revision} is in force and cannot be stored ({Problem}): make room or repair the data folder, or a restart without the server goes on from an older one")]
    private partial void SnapshotNotStored(ulong revision, string problem);

    [LoggerMessage(Level = LogLevel.Error, Message = "the snapshot stored in '{Folder}' cannot be deleted ({Problem}): delete it, or a restart without the server goes on from it")]
    private partial void StoredSnapshotStays(string folder, string problem);

    [LoggerMessage(Level = LogLevel.Warning, Message = "a part of the snapshot is left out: {Problem}")]
    private partial void PartSkipped(string problem);

    [LoggerMessage(Level = LogLevel.Warning, Message = "the snapshot stored in '{Folder}' cannot be read ({Problem}); waiting for the server")]
    private partial void StoredSnapshotUnreadable(string folder, string problem);
}
