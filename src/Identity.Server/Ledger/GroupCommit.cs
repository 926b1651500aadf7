using System.Threading.Channels;
using Microsoft.Data.Sqlite;

namespace Identity.Server.Ledger;

/// <summary>A SQLite file beside the ledger that a <see cref="GroupCommit{TKey, TRow}"/> writes. It has the table <see cref="GroupCommit.Schema"/>.</summary>
internal interface IRowFile<in TKey, in TRow> : IDisposable
    where TRow : class
{
    /// <summary>Its writer's, and nobody else's while there is one.</summary>
    SqliteConnection Connection { get; }

    /// <summary>Puts a row in the place of what is there of its key; null takes that away. To be called within a transaction.</summary>
    void Change(TKey key, TRow? row);
}

internal static class GroupCommit
{
    /// <summary>Creates the table that is written to see whether anything can be.</summary>
    public const string Schema = "CREATE TABLE tries (one INTEGER PRIMARY KEY CHECK (one = 1), count INTEGER NOT NULL) STRICT;";

    /// <summary>How long after a full disk it is tried again.</summary>
    public static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(1);
}

/// <summary>
/// Writes rows to a file beside the ledger: one loop that takes whatever waits, commits it together with one fsync and then tells everyone. Of several
/// changes of one row only the newest is written, so what waits is bounded by what is kept, however slow the disk is.
/// </summary>
internal sealed partial class GroupCommit<TKey, TRow> : IAsyncDisposable
    where TKey : notnull
    where TRow : class
{
    private const int SqliteFull = 13;
    private const int SqliteBusy = 5;

    private readonly IRowFile<TKey, TRow> _file;
    private readonly string _what;
    private readonly string _meanwhile;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly SqliteCommand _begin;
    private readonly SqliteCommand _commit;
    private readonly SqliteCommand _rollback;
    private readonly SqliteCommand _try;
    private readonly Lock _gate = new();
    private readonly Channel<bool> _wake = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _loop;
    private Batch _waiting = new();
    private Batch? _inHand;
    private volatile IOException? _problem;

    // Set once a write has failed for good.
    private volatile Task? _over;

    /// <param name="what">What the rows are, as the beginning of a sentence for the log.</param>
    /// <param name="meanwhile">What is so for as long as they cannot be written, likewise.</param>
    public GroupCommit(IRowFile<TKey, TRow> file, string what, string meanwhile, TimeProvider time, ILogger logger)
    {
        (_file, _what, _meanwhile, _time, _logger) = (file, what, meanwhile, time, logger);
        (_begin, _commit, _rollback, _try) = (file.Connection.CreateCommand(), file.Connection.CreateCommand(), file.Connection.CreateCommand(), file.Connection.CreateCommand());
        _begin.CommandText = "BEGIN IMMEDIATE";
        _commit.CommandText = "COMMIT";
        _rollback.CommandText = "ROLLBACK";
        _try.CommandText = "INSERT INTO tries VALUES (1, 1) ON CONFLICT DO UPDATE SET count = count + 1";
        _loop = Task.Run(RunAsync);
    }

    /// <summary>Why nothing can be written right now; null while it can.</summary>
    public string? Problem => _problem?.Message;

    /// <summary>How often something was committed.</summary>
    public long Commits { get; private set; }

    /// <summary>Writes a row soon, in the place of what is written of its key; null takes that away.</summary>
    /// <returns>Ends when it is on disk, or with an <see cref="IOException"/> when it cannot be; where the disk is full it is tried again all the same.</returns>
    public Task Change(TKey key, TRow? row)
    {
        lock (_gate)
        {
            if (_over is { } over) return over;
            _waiting.Changes[key] = row;
            _wake.Writer.TryWrite(true);
            return _waiting.Written;
        }
    }

    /// <summary>Ends when all that was said until now is on disk, or with an <see cref="IOException"/> when it cannot be.</summary>
    public Task WrittenAsync()
    {
        lock (_gate) return _waiting.Changes.Count > 0 ? _waiting.Written : _inHand?.Written ?? _over ?? Task.CompletedTask;
    }

    /// <summary>Writes what waits, then closes the file.</summary>
    public async ValueTask DisposeAsync()
    {
        _wake.Writer.TryComplete();
        await _stopping.CancelAsync();
        await _loop;
        _file.Dispose();
        _stopping.Dispose();
    }

    private async Task RunAsync()
    {
        while (await _wake.Reader.WaitToReadAsync())
        {
            _wake.Reader.TryRead(out _);
            var batch = Take();
            if (TryWrite(batch))
            {
                Done();
                batch.Complete();
                continue;
            }

            PutBack(batch);
            if (_over is not null) return;
            await Task.Delay(GroupCommit.RetryAfter, _time, _stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (!_stopping.IsCancellationRequested) _wake.Writer.TryWrite(true);
        }
    }

    private Batch Take()
    {
        lock (_gate)
        {
            var batch = _inHand = _waiting;
            _waiting = new Batch();
            return batch;
        }
    }

    private bool TryWrite(Batch batch)
    {
        try
        {
            if (batch.Changes.Count > 0 || _problem is not null) Write(batch.Changes);
            return true;
        }
#pragma warning disable CA1031 // Whatever it was: what is not known to be on disk is not.
        catch (Exception e)
#pragma warning restore CA1031
        {
            if (TryRollback() && e is SqliteException { SqliteErrorCode: SqliteFull or SqliteBusy })
            {
                if (_problem is null) LogFull(_what, _meanwhile);
                _problem = new IOException("there is no room for it on the disk", e);
            }
            else
            {
                // After a failed fsync nobody knows what is on disk, nor whether a later commit would be found behind it.
                LogFault(e, _what, _meanwhile);
                _problem = new IOException("a write has failed; identityd must be restarted", e);
                var over = new Batch();
                over.Fail(_problem);
                _over = over.Written;
            }

            return false;
        }
    }

    // All of it or nothing. On disk when it returns.
    private void Write(Dictionary<TKey, TRow?> changes)
    {
        _begin.ExecuteNonQuery();
        if (_problem is not null) _try.ExecuteNonQuery();
        foreach (var (key, row) in changes) _file.Change(key, row);
        _commit.ExecuteNonQuery();
        Commits++;
    }

    // Ends a write that failed; false when nobody knows how it ended.
    private bool TryRollback()
    {
        try
        {
            if (!LedgerFile.IsOver(_file.Connection)) _rollback.ExecuteNonQuery();
            return true;
        }
        catch (SqliteException)
        {
            return false;
        }
    }

    private void Done()
    {
        lock (_gate) _inHand = null;
        if (_problem is not null) LogWritesAgain(_what);
        _problem = null;
    }

    // Whoever waits for it hears that it is not written. It is tried again all the same, for it is so: who does not want it takes it back.
    private void PutBack(Batch batch)
    {
        lock (_gate)
        {
            _inHand = null;
            if (_over is not null)
            {
                _waiting.Fail(_problem!);
                _waiting = new Batch();
            }
            else
            {
                foreach (var (key, row) in batch.Changes) _waiting.Changes.TryAdd(key, row);
            }
        }

        batch.Fail(_problem!);
    }

    private sealed class Batch
    {
        private readonly TaskCompletionSource _written = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Dictionary<TKey, TRow?> Changes { get; } = [];

        public Task Written => _written.Task;

        public void Complete() => _written.SetResult();

        public void Fail(IOException cause)
        {
            _written.SetException(cause);
            _ = _written.Task.Exception; // Most of what is written nobody waits for.
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "{What} cannot be kept: the disk is full, or another process locks the file. {Meanwhile} until it can be written.")]
    private partial void LogFull(string what, string meanwhile);

    [LoggerMessage(Level = LogLevel.Critical, Message = "{What} cannot be kept: a write has failed. {Meanwhile} until identityd is restarted.")]
    private partial void LogFault(Exception cause, string what, string meanwhile);

    [LoggerMessage(Level = LogLevel.Information, Message = "{What} can be kept again")]
    private partial void LogWritesAgain(string what);
}
