using System.Threading.Channels;
using Microsoft.Data.Sqlite;

namespace Identity.Server.DecisionPoints.WasmCloudV1;

/// <summary>
/// Writes what <see cref="GivenAnswers"/> keeps: one loop that takes whatever waits, commits it together with one fsync and then tells everyone. Of several
/// changes of one answer only the newest is written, so what waits is bounded by what is kept, however slow the disk is.
/// </summary>
internal sealed partial class AnswerStore : IAsyncDisposable
{
    /// <summary>How long after a full disk it is tried again.</summary>
    public static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(1);

    private const int SqliteFull = 13;
    private const int SqliteBusy = 5;

    private readonly AnswerFile _file;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Lock _gate = new();
    private readonly Channel<bool> _wake = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _loop;
    private Batch _waiting = new();
    private Batch? _inHand;
    private volatile IOException? _problem;

    // Set once a write has failed for good.
    private volatile Task? _over;

    private AnswerStore(AnswerFile file, TimeProvider time, ILogger logger)
    {
        (_file, _time, _logger) = (file, time, logger);
        _loop = Task.Run(RunAsync);
    }

    /// <summary>Why nothing can be written right now; null while it can.</summary>
    public string? Problem => _problem?.Message;

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
    public Task Keep(GivenAnswer answer) => Change(answer.Request.RequestId, answer);

    /// <summary>Takes the answer to a question away soon.</summary>
    public void Forget(string requestId) => Change(requestId, null);

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

    private Task Change(string id, GivenAnswer? answer)
    {
        lock (_gate)
        {
            if (_over is { } over) return over;
            _waiting.Changes[id] = answer;
            _wake.Writer.TryWrite(true);
            return _waiting.Written;
        }
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
            await Task.Delay(RetryAfter, _time, _stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
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
            if (batch.Changes.Count > 0 || _problem is not null) _file.Write(batch.Changes, isTry: _problem is not null);
            return true;
        }
#pragma warning disable CA1031 // Whatever it was: what is not known to be on disk is not.
        catch (Exception e)
#pragma warning restore CA1031
        {
            if (_file.TryRollback() && e is SqliteException { SqliteErrorCode: SqliteFull or SqliteBusy })
            {
                if (_problem is null) LogFull();
                _problem = new IOException("there is no room for it on the disk", e);
            }
            else
            {
                // After a failed fsync nobody knows what is on disk, nor whether a later commit would be found behind it.
                LogFault(e);
                _problem = new IOException("a write has failed; identityd must be restarted", e);
                var over = new Batch();
                over.Fail(_problem);
                _over = over.Written;
            }

            return false;
        }
    }

    private void Done()
    {
        lock (_gate) _inHand = null;
        if (_problem is not null) LogWritesAgain();
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
                foreach (var (id, answer) in batch.Changes) _waiting.Changes.TryAdd(id, answer);
            }
        }

        batch.Fail(_problem!);
    }

    private sealed class Batch
    {
        private readonly TaskCompletionSource _written = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Dictionary<string, GivenAnswer?> Changes { get; } = new(StringComparer.Ordinal);

        public Task Written => _written.Task;

        public void Complete() => _written.SetResult();

        public void Fail(IOException cause)
        {
            _written.SetException(cause);
            _ = _written.Task.Exception; // Most of what is written nobody waits for.
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "What wasmCloud v1 hosts are permitted cannot be kept: the disk is full, or another process locks the file. They are permitted nothing new until it can be written.")]
    private partial void LogFull();

    [LoggerMessage(Level = LogLevel.Critical, Message = "What wasmCloud v1 hosts are permitted cannot be kept: a write has failed. They are permitted nothing new until identityd is restarted.")]
    private partial void LogFault(Exception cause);

    [LoggerMessage(Level = LogLevel.Information, Message = "What wasmCloud v1 hosts are permitted can be kept again")]
    private partial void LogWritesAgain();
}
