using System.Threading.Channels;
using Identity.Server.Telemetry;
using Microsoft.Data.Sqlite;

namespace Identity.Server.Ledger;

/// <summary>
/// The only writer: one loop that takes whatever is waiting, commits it together with one fsync and then answers everyone. The queue is
/// bounded, so callers wait when the disk is slow instead of filling memory.
/// </summary>
internal sealed partial class LedgerWriter
{
    private const int MaxWaiting = 4096;
    private const int MaxWritesPerCommit = 512;
    private const int MaxBytesPerCommit = 4 << 20;
    private const int SqliteFull = 13;

    private readonly LedgerFile _file;
    private readonly StateWatchers _watchers;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly Channel<PendingWrite> _queue = Channel.CreateBounded<PendingWrite>(
        new BoundedChannelOptions(MaxWaiting) { SingleReader = true, FullMode = BoundedChannelFullMode.Wait });
    private readonly Task _loop;
    private LedgerPosition _position;
    private ulong _issuances;
    private volatile IOException? _fault;

    public LedgerWriter(LedgerFile file, LedgerPosition position, StateWatchers watchers, TimeProvider time, ILogger logger)
    {
        _file = file;
        _position = position;
        _issuances = position.Issuances.Number;
        _watchers = watchers;
        _time = time;
        _logger = logger;
        _loop = Task.Run(RunAsync);
    }

    /// <summary>Why no write is taken any more; null while all is well.</summary>
    public string? Fault => _fault?.Message;

    public ulong Issuances => Volatile.Read(ref _issuances);

    /// <summary>Queues; waits when the queue is full. What is queued will be written, also when the caller has stopped waiting.</summary>
    public ValueTask EnqueueAsync(PendingWrite write, CancellationToken cancellation) => _queue.Writer.WriteAsync(write, cancellation);

    public bool TryEnqueue(PendingWrite write) => _queue.Writer.TryWrite(write);

    /// <summary>Writes what is queued, then stops.</summary>
    public Task StopAsync()
    {
        _queue.Writer.TryComplete();
        return _loop;
    }

    private async Task RunAsync()
    {
        var batch = new List<PendingWrite>(MaxWritesPerCommit);
        while (await _queue.Reader.WaitToReadAsync())
        {
            var size = 0;
            while (batch.Count < MaxWritesPerCommit && size < MaxBytesPerCommit && _queue.Reader.TryRead(out var write))
            {
                batch.Add(write);
                size += write.Size;
            }
            CommitAndAnswer(batch);
            batch.Clear();
        }
    }

    private void CommitAndAnswer(List<PendingWrite> batch)
    {
        if (TryCommit(batch) is { } failure)
        {
            foreach (var write in batch)
            {
                write.Fail(failure);
            }
            return;
        }
        foreach (var write in batch)
        {
            write.Complete();
        }
    }

    private IOException? TryCommit(List<PendingWrite> batch)
    {
        if (_fault is { } fault)
        {
            return fault;
        }
        var position = _position;
        var started = _time.GetTimestamp();
        try
        {
            _file.Begin();
            foreach (var write in batch)
            {
                write.Stage(_file, ref position);
            }
            _file.Commit();
        }
        catch (Exception e)
        {
            return Undo(e);
        }
        ServerTelemetry.LedgerCommitSeconds.Record(_time.GetElapsedTime(started).TotalSeconds);
        ServerTelemetry.LedgerCommitWrites.Record(batch.Count);
        Publish(position);
        return null;
    }

    // The state is visible before anyone hears that the write is done.
    private void Publish(LedgerPosition position)
    {
        var changed = position.State != _position.State;
        _position = position;
        Volatile.Write(ref _issuances, position.Issuances.Number);
        if (changed)
        {
            _watchers.Publish(position.State);
        }
    }

    private IOException Undo(Exception cause)
    {
        var undone = TryRollback();
        if (undone && cause is SqliteException { SqliteErrorCode: SqliteFull })
        {
            LogDiskFull();
            return new IOException("The ledger's disk is full; nothing was written.", cause);
        }
        // After a failed fsync nobody knows what is on disk: going on could answer from a state that a restart would not find.
        LogFault(cause);
        return _fault = new IOException("The ledger takes no writes since one failed; restart identityd to read it anew.", cause);
    }

    private bool TryRollback()
    {
        try
        {
            _file.Rollback();
            return true;
        }
        catch (SqliteException)
        {
            return false;
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "The ledger's disk is full; writes are refused until there is room.")]
    private partial void LogDiskFull();

    [LoggerMessage(Level = LogLevel.Critical, Message = "A ledger write failed; no more writes are taken until restart.")]
    private partial void LogFault(Exception cause);
}
