using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Identity.Ledger.V1;
using Microsoft.Data.Sqlite;

namespace Identity.Server.Ledger;

/// <summary>
/// Everything the control plane knows, in order. A write is a transaction appended at a revision; the state is the fold of all of them,
/// in memory. Beside it stands the journal of issued credentials. When a write returns, it is on disk.
/// </summary>
internal sealed class ControlPlaneLedger : IAsyncDisposable
{
    private const int MaxTransactionBytes = 16 << 20;

    private readonly LedgerFolder _folder;
    private readonly LedgerFile _file;
    private readonly StateWatchers _watchers;
    private readonly LedgerWriter _writer;
    private readonly LedgerCheckpoints _checkpoints;
    private readonly TimeProvider _time;

    private ControlPlaneLedger(LedgerFolder folder, LedgerFile file, LedgerPosition position, TimeProvider time, ILogger logger)
    {
        _folder = folder;
        _file = file;
        _time = time;
        _watchers = new StateWatchers(position.State);
        _checkpoints = new LedgerCheckpoints(file, time, logger);
        _writer = new LedgerWriter(file, position, _watchers, time, logger);
    }

    /// <summary>The folder it is kept in, locked for this process.</summary>
    public string Folder => _folder.Path;

    /// <summary>The current state. No I/O.</summary>
    public ControlPlaneState State => _watchers.Newest;

    /// <summary>How many credentials were recorded.</summary>
    public ulong Issuances => _writer.Issuances;

    /// <summary>Why it takes no more writes; null while it does.</summary>
    public string? Fault => _writer.Fault;

    /// <summary>Opens the ledger in a folder, verifies both chains from the first record and folds the state.</summary>
    /// <exception cref="CannotStartException">The folder is in use or unfit, or a chain is broken.</exception>
    public static async Task<ControlPlaneLedger> OpenAsync(
        string folder, TimeProvider time, ILogger<ControlPlaneLedger> logger, CancellationToken cancellation = default)
    {
        var locked = LedgerFolder.Open(folder);
        LedgerFile? file = null;
        try
        {
            file = LedgerFile.Open(locked.PrivateFile("ledger.db"));
            DurableFile.SyncFolder(locked.Path);
            var position = await Task.Run(() => Read(file, cancellation), cancellation);
            return new ControlPlaneLedger(locked, file, position, time, logger);
        }
        catch (Exception e)
        {
            file?.Dispose();
            locked.Dispose();
            throw e switch
            {
                BrokenChainException or InvalidDataException or InvalidProtocolBufferException => new CannotStartException(
                    $"The ledger in {locked.Path} is broken. {e.Message} Nothing was changed; restore ledger.db from a backup.", e),
                SqliteException sqlite => new CannotStartException(
                    $"{locked.Path}/ledger.db cannot be opened as a ledger (SQLite error {sqlite.SqliteErrorCode}). "
                    + "Nothing was changed; restore it from a backup.", e),
                IOException or UnauthorizedAccessException => new CannotStartException($"Cannot open the ledger in {locked.Path}: {e.Message}", e),
                _ => e,
            };
        }
    }

    /// <summary>
    /// Appends one transaction, all of it or nothing. With an expected revision the answer is <see cref="Append.Conflict"/> when the state
    /// has moved on; without one it is applied to whatever is current. The time is filled in when it is missing.
    /// </summary>
    /// <exception cref="ArgumentException">It has no change, an empty one or no author, or is larger than 16 MiB.</exception>
    /// <exception cref="IOException">The disk refused; nothing was written as far as this process knows.</exception>
    public async Task<Append> AppendAsync(Transaction transaction, ulong? expectedRevision, CancellationToken cancellation)
    {
        // A copy: the state will hold these messages, and the caller may go on changing its own.
        transaction = transaction.Clone();
        transaction.At ??= Timestamp.FromDateTimeOffset(_time.GetUtcNow());
        Check(transaction);
        var write = new PendingTransaction(transaction, transaction.ToByteArray(), expectedRevision);
        await _writer.EnqueueAsync(write, cancellation);
        var answer = await write.Completion;
        _checkpoints.Needed();
        return answer;
    }

    /// <summary>Records that a credential is about to be signed. Only after this returns may the signature be made.</summary>
    /// <exception cref="IOException">The disk refused: do not sign.</exception>
    public async Task RecordIssuanceAsync(IssuanceRecord intent, CancellationToken cancellation)
    {
        var write = new PendingIssuance(intent.ToByteArray());
        await _writer.EnqueueAsync(write, cancellation);
        await write.Completion;
        _checkpoints.Needed();
    }

    /// <summary>The current state first, then the newest after each change. A slow reader misses steps, never the newest.</summary>
    public IAsyncEnumerable<ControlPlaneState> WatchAsync(CancellationToken cancellation) => _watchers.WatchAsync(cancellation);

    /// <summary>Ends all watches, so that the streams that hang on them end before the process does. Writes go on.</summary>
    public void EndWatches() => _watchers.Close();

    /// <summary>Keeps a decision for later questions, best effort: false when the writer is too busy to take it.</summary>
    /// <param name="forgotten">Ids of earlier ones that are kept no longer. Not to be changed afterwards.</param>
    public bool TryRecordDecision(string id, byte[] payload, IReadOnlyList<string> forgotten)
    {
        _checkpoints.Needed();
        return _writer.TryEnqueue(new PendingDecision(id, payload, forgotten));
    }

    /// <summary>Forgets decisions, best effort: false when the writer is too busy to take it.</summary>
    public bool TryForgetDecisions(IReadOnlyList<string> ids)
    {
        _checkpoints.Needed();
        return _writer.TryEnqueue(new ForgottenDecisions(ids));
    }

    /// <summary>Kept decisions, oldest first; one at a time, so that the caller need not hold them all.</summary>
    public IEnumerable<byte[]> ReadDecisions()
    {
        using var reader = _file.OpenReader();
        foreach (var payload in reader.ReadDecisions()) yield return payload;
    }

    /// <summary>Transactions, newest first.</summary>
    public IReadOnlyList<NumberedTransaction> ListTransactions(int limit)
    {
        using var reader = _file.OpenReader();
        return [.. reader.ReadNewest(LedgerFile.Transactions, limit)
            .Select(row => new NumberedTransaction(row.Number, Transaction.Parser.ParseFrom(row.Payload)))];
    }

    /// <summary>Single transactions by revision, in the order asked for; one at a time, so that the caller need not hold them all.</summary>
    /// <exception cref="InvalidDataException">There is no transaction of that number.</exception>
    public IEnumerable<NumberedTransaction> ReadTransactions(IEnumerable<ulong> revisions)
    {
        using var reader = _file.OpenReader();
        foreach (var revision in revisions)
        {
            var payload = reader.ReadTransaction(revision) ?? throw new InvalidDataException($"The ledger holds no transaction {revision}.");
            yield return new NumberedTransaction(revision, Transaction.Parser.ParseFrom(payload));
        }
    }

    /// <summary>All recorded issuances, newest first; one at a time, so that the caller need not hold them all.</summary>
    public IEnumerable<IssuanceRecord> ReadIssuances()
    {
        using var reader = _file.OpenReader();
        foreach (var (_, payload) in reader.ReadNewest(LedgerFile.Issuances, int.MaxValue)) yield return IssuanceRecord.Parser.ParseFrom(payload);
    }

    /// <summary>Recorded issuances, newest first.</summary>
    public IReadOnlyList<IssuanceRecord> ListIssuances(int limit)
    {
        using var reader = _file.OpenReader();
        return [.. reader.ReadNewest(LedgerFile.Issuances, limit).Select(row => IssuanceRecord.Parser.ParseFrom(row.Payload))];
    }

    /// <summary>Recomputes both chains from the first record on disk.</summary>
    public LedgerVerification Verify(CancellationToken cancellation = default)
    {
        try
        {
            using var reader = _file.OpenReader();
            var transactions = reader.ReadChain(LedgerFile.Transactions, (_, _) => { }, cancellation);
            var issuances = reader.ReadChain(LedgerFile.Issuances, (_, _) => { }, cancellation);
            return new LedgerVerification.Intact(transactions.Number, issuances.Number);
        }
        catch (BrokenChainException e)
        {
            return new LedgerVerification.Broken(e.Message);
        }
    }

    /// <summary>Writes what is queued, ends the watches and gives the folder free.</summary>
    public async ValueTask DisposeAsync()
    {
        await _writer.StopAsync();
        _watchers.Close();
        await _checkpoints.DisposeAsync();
        _file.Dispose();
        _folder.Dispose();
    }

    private static LedgerPosition Read(LedgerFile file, CancellationToken cancellation)
    {
        using var reader = file.OpenReader();
        var fold = new ControlPlaneState.Fold(ControlPlaneState.Empty);
        var transactions = reader.ReadChain(
            LedgerFile.Transactions, (_, payload) => fold.Apply(Transaction.Parser.ParseFrom(payload)), cancellation);
        var issuances = reader.ReadChain(LedgerFile.Issuances, (_, _) => { }, cancellation);
        return new LedgerPosition(fold.ToState(), transactions, issuances);
    }

    private static void Check(Transaction transaction)
    {
        if (transaction.Author.Length == 0)
        {
            throw new ArgumentException("A transaction needs an author.", nameof(transaction));
        }
        if (transaction.Changes.Count == 0 || transaction.Changes.Any(c => c.ChangeCase == Change.ChangeOneofCase.None))
        {
            throw new ArgumentException("A transaction needs at least one change, and none may be empty.", nameof(transaction));
        }
        if (transaction.CalculateSize() > MaxTransactionBytes)
        {
            throw new ArgumentException($"A transaction may have at most {MaxTransactionBytes} bytes.", nameof(transaction));
        }
    }
}
