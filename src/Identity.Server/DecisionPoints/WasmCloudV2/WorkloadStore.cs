using Identity.Server.Ledger;

namespace Identity.Server.DecisionPoints.WasmCloudV2;

/// <summary>Writes what the <see cref="AllowedWorkloads"/> of all doors keep.</summary>
internal sealed class WorkloadStore : IAsyncDisposable
{
    private readonly WorkloadFile _file;
    private readonly GroupCommit<WorkloadKey, WorkloadRow> _writes;

    private WorkloadStore(WorkloadFile file, TimeProvider time, ILogger logger)
    {
        _file = file;
        _writes = new GroupCommit<WorkloadKey, WorkloadRow>(file, "What wasmCloud v2 doors let through", "Nothing new is let through", time, logger);
    }

    /// <inheritdoc cref="GroupCommit{TKey, TRow}.Problem"/>
    public string? Problem => _writes.Problem;

    /// <inheritdoc cref="GroupCommit{TKey, TRow}.Commits"/>
    public long Commits => _writes.Commits;

    /// <summary>Opens the file in the data folder.</summary>
    /// <param name="maxPages">It grows to at most so many, of 4 KB each.</param>
    /// <exception cref="CannotStartException">It cannot be written, or is something else.</exception>
    public static WorkloadStore Open(string folder, TimeProvider time, ILogger<WorkloadStore> logger, int maxPages = WorkloadFile.MaxPages) =>
        new(WorkloadFile.Open(folder, maxPages), time, logger);

    /// <inheritdoc cref="WorkloadFile.Read(string, Action{WorkloadKey, WorkloadRow})"/>
    public void Read(string door, Action<WorkloadKey, WorkloadRow> each) => _file.Read(door, each);

    /// <inheritdoc cref="WorkloadFile.NextAsks"/>
    public long NextAsks() => _file.NextAsks();

    /// <inheritdoc cref="GroupCommit{TKey, TRow}.Change"/>
    public Task Change(WorkloadKey key, WorkloadRow? row) => _writes.Change(key, row);

    /// <inheritdoc cref="GroupCommit{TKey, TRow}.WrittenAsync"/>
    public Task WrittenAsync() => _writes.WrittenAsync();

    /// <summary>Writes what waits, then closes the file.</summary>
    public ValueTask DisposeAsync() => _writes.DisposeAsync();
}
