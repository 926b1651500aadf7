using Identity.Server.Ledger;

namespace Identity.Server.DecisionPoints.WasmCloudV1;

/// <summary>Writes what <see cref="GivenAnswers"/> keeps.</summary>
internal sealed class AnswerStore : IAsyncDisposable
{
    private readonly AnswerFile _file;
    private readonly GroupCommit<string, GivenAnswer> _writes;

    private AnswerStore(AnswerFile file, TimeProvider time, ILogger logger)
    {
        _file = file;
        _writes = new GroupCommit<string, GivenAnswer>(file, "What wasmCloud v1 hosts are permitted", "They are permitted nothing new", time, logger);
    }

    /// <inheritdoc cref="GroupCommit{TKey, TRow}.Problem"/>
    public string? Problem => _writes.Problem;

    /// <summary>Opens the file in the data folder.</summary>
    /// <param name="maxPages">It grows to at most so many, of 4 KB each.</param>
    /// <exception cref="CannotStartException">It cannot be written, or is something else.</exception>
    public static AnswerStore Open(string folder, TimeProvider time, ILogger<AnswerStore> logger, int maxPages = AnswerFile.MaxPages) =>
        new(AnswerFile.Open(folder, maxPages), time, logger);

    /// <summary>All that is kept, the oldest first. To be called before anything else.</summary>
    /// <exception cref="CannotStartException">It cannot be read.</exception>
    public IReadOnlyList<GivenAnswer> Read() => _file.Read();

    /// <summary>Writes an answer soon, in place of what is written of its question.</summary>
    /// <returns>Ends when it is on disk, or with an <see cref="IOException"/> when it cannot be; where the disk is full it is tried again all the same.</returns>
    public Task Keep(GivenAnswer answer) => _writes.Change(answer.Request.RequestId, answer);

    /// <summary>Takes the answer to a question away soon.</summary>
    public void Forget(string requestId) => _writes.Change(requestId, null);

    /// <inheritdoc cref="GroupCommit{TKey, TRow}.WrittenAsync"/>
    public Task WrittenAsync() => _writes.WrittenAsync();

    /// <summary>Writes what waits, then closes the file.</summary>
    public ValueTask DisposeAsync() => _writes.DisposeAsync();
}
