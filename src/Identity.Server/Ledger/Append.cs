namespace Identity.Server.Ledger;

/// <summary>What became of a transaction.</summary>
internal abstract record Append
{
    private Append() { }

    /// <summary>It is on disk, and this is the state it made.</summary>
    public sealed record Committed(ControlPlaneState State) : Append;

    /// <summary>Nothing was written: the state had moved on from the expected revision.</summary>
    public sealed record Conflict(ulong CurrentRevision) : Append;
}
