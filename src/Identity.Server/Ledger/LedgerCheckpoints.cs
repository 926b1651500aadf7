using Microsoft.Data.Sqlite;

namespace Identity.Server.Ledger;

/// <summary>Moves the write-ahead log into the ledger file, on a connection of its own so that no commit waits for it.</summary>
internal sealed partial class LedgerCheckpoints : IAsyncDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(200);

    // A passive checkpoint cannot shrink a log that someone keeps reading; above this size the log is cut, and one commit waits.
    private const long TruncateAbove = 64L << 20;

    private readonly LedgerFile _file;
    private readonly SqliteConnection _connection;
    private readonly ILogger _logger;
    private readonly PeriodicTimer _timer;
    private readonly Task _loop;
    private int _commits;

    public LedgerCheckpoints(LedgerFile file, TimeProvider time, ILogger logger)
    {
        _file = file;
        _connection = file.OpenForCheckpoints();
        _logger = logger;
        _timer = new PeriodicTimer(Interval, time);
        _loop = Task.Run(RunAsync);
    }

    /// <summary>There is something to move.</summary>
    public void Needed() => Interlocked.Exchange(ref _commits, 1);

    public async ValueTask DisposeAsync()
    {
        _timer.Dispose();
        await _loop;
        await _connection.DisposeAsync();
    }

    private async Task RunAsync()
    {
        while (await _timer.WaitForNextTickAsync())
        {
            if (Interlocked.Exchange(ref _commits, 0) == 0)
            {
                continue;
            }
            try
            {
                LedgerFile.Checkpoint(_connection, truncate: _file.LogLength() > TruncateAbove);
            }
            catch (SqliteException e)
            {
                // Nothing is lost: the log keeps what was committed, and the next round tries again.
                Needed();
                LogCheckpointFailed(e.SqliteErrorCode);
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The ledger's checkpoint failed with SQLite error {Code}; it will be tried again.")]
    private partial void LogCheckpointFailed(int code);
}
