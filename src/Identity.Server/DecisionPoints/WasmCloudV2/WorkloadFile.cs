using System.Globalization;
using Identity.Server.Ledger;
using Microsoft.Data.Sqlite;

namespace Identity.Server.DecisionPoints.WasmCloudV2;

/// <summary>
/// The SQLite file beside the ledger that holds what <see cref="AllowedWorkloads"/> knows: a row for each workload that a door let through, and one for each thing that some of
/// them asked for alike, so that it takes as much room here as it does in memory. It is no authority: staged changes are tried on what is in it, and nobody is granted
/// anything by it.
/// </summary>
internal sealed class WorkloadFile : IRowFile<WorkloadKey, WorkloadRow>
{
    public const string Name = "wasmcloud-workloads.db";

    /// <summary>Half a gigabyte: twice what two doors remember at most.</summary>
    public const int MaxPages = 131_072;

    // 1: each workload had what it asked for in its own row.
    private const int SchemaVersion = 2;

    // "idww"
    private const int ApplicationId = 0x69647777;

    private const string Schema = $"""
        CREATE TABLE doors (door TEXT PRIMARY KEY, ended INTEGER) STRICT, WITHOUT ROWID;
        CREATE TABLE asks (number INTEGER PRIMARY KEY, door TEXT NOT NULL, share TEXT NOT NULL, text TEXT NOT NULL) STRICT;
        CREATE TABLE workloads (
          door TEXT NOT NULL, id TEXT NOT NULL, share TEXT NOT NULL, name TEXT NOT NULL, asks INTEGER, count INTEGER NOT NULL, at INTEGER NOT NULL, proven INTEGER NOT NULL,
          PRIMARY KEY (door, id)) STRICT, WITHOUT ROWID;
        {GroupCommit.Schema}
        """;

    // No door has a row: which of them remembered all that they let through, nobody knows.
    private const string FromSchema1 = $"""
        BEGIN IMMEDIATE;
        ALTER TABLE workloads RENAME TO earlier;
        {Schema}
        INSERT INTO asks (door, share, text) SELECT DISTINCT door, share, asks FROM earlier WHERE asks IS NOT NULL;
        INSERT INTO workloads SELECT earlier.door, id, earlier.share, name, number, 1, at, proven
          FROM earlier LEFT JOIN asks ON asks.door = earlier.door AND asks.share = earlier.share AND asks.text = earlier.asks;
        DROP TABLE earlier;
        PRAGMA user_version = 2;
        COMMIT;
        """;

    private readonly string _path;
    private readonly SqliteCommand _put;
    private readonly SqliteCommand _delete;
    private readonly SqliteCommand _putAsks;
    private readonly SqliteCommand _deleteAsks;
    private readonly SqliteCommand _putDoor;
    private long _lastAsks;

    private WorkloadFile(SqliteConnection connection, string path)
    {
        (Connection, _path) = (connection, path);
        _lastAsks = LedgerFile.Number(connection, "SELECT coalesce(max(number), 0) FROM asks");
        _put = Command(
            connection,
            "INSERT OR REPLACE INTO workloads VALUES ($door, $id, $share, $name, $asks, $count, $at, $proven)",
            "$door", "$id", "$share", "$name", "$asks", "$count", "$at", "$proven");
        _delete = Command(connection, "DELETE FROM workloads WHERE door = $door AND id = $id", "$door", "$id");
        _putAsks = Command(connection, "INSERT OR REPLACE INTO asks VALUES ($number, $door, $share, $text)", "$number", "$door", "$share", "$text");
        _deleteAsks = Command(connection, "DELETE FROM asks WHERE number = $number", "$number");
        _putDoor = Command(connection, "INSERT OR REPLACE INTO doors VALUES ($door, $ended)", "$door", "$ended");
    }

    public SqliteConnection Connection { get; }

    /// <summary>Opens it in the data folder, creating it when it is missing.</summary>
    /// <param name="maxPages">It grows to at most so many, of 4 KB each.</param>
    /// <exception cref="CannotStartException">It cannot be written, or is something else.</exception>
    public static WorkloadFile Open(string folder, int maxPages = MaxPages)
    {
        SqliteConnection? connection = null;
        try
        {
            var path = LedgerFolder.PrivateFile(folder, Name);
            DurableFile.SyncFolder(folder);
            connection = LedgerFile.Connect(path);
            if (LedgerFile.Number(connection, "PRAGMA application_id") == ApplicationId && LedgerFile.Number(connection, "PRAGMA user_version") == 1) LedgerFile.Execute(connection, FromSchema1);
            LedgerFile.Prepare(connection, path, ApplicationId, SchemaVersion, Schema);
            LedgerFile.Execute(connection, "PRAGMA wal_autocheckpoint=1000");
            LedgerFile.Execute(connection, string.Create(CultureInfo.InvariantCulture, $"PRAGMA max_page_count={maxPages}"));
            return new WorkloadFile(connection, path);
        }
        catch (Exception e)
        {
            connection?.Dispose();
            throw e is SqliteException or IOException or UnauthorizedAccessException ? Unfit(Path.Combine(folder, Name), e) : e;
        }
    }

    /// <summary>A number that nothing asked for has had.</summary>
    public long NextAsks() => Interlocked.Increment(ref _lastAsks);

    /// <summary>
    /// Hands out what is kept of one door, one row after the other: first the door, if it is there, then all that was asked for, then the workloads, the oldest first.
    /// </summary>
    /// <exception cref="CannotStartException">It cannot be read.</exception>
    public void Read(string door, Action<WorkloadKey, WorkloadRow> each)
    {
        try
        {
            // The other door may write already.
            using var connection = LedgerFile.Connect(_path);
            Read(connection, "SELECT ended FROM doors WHERE door = $door", door, row =>
                each(new(door), new WorkloadRow.Door(row.IsDBNull(0) ? null : Moment(row.GetInt64(0)))));
            Read(connection, "SELECT number, share, text FROM asks WHERE door = $door", door, row =>
                each(new(door, Asks: row.GetInt64(0)), new WorkloadRow.Asks(row.GetString(1), row.GetString(2))));
            Read(connection, "SELECT id, share, name, asks, count, at, proven FROM workloads WHERE door = $door ORDER BY at, id", door, row =>
                each(new(door, row.GetString(0)), new WorkloadRow.Workload(
                    row.GetString(1), row.GetString(2), row.IsDBNull(3) ? null : row.GetInt64(3), row.GetInt64(4), Moment(row.GetInt64(5)), row.GetInt64(6) != 0)));
        }
        catch (Exception e) when (e is SqliteException or ArgumentException)
        {
            throw Unfit(_path, e);
        }
    }

    public void Change(WorkloadKey key, WorkloadRow? row)
    {
        switch (row)
        {
            case WorkloadRow.Workload workload:
                Execute(
                    _put, key.Door, key.Id!, workload.Share, workload.Text, workload.AsksNumber is { } number ? number : DBNull.Value, workload.Count, workload.At.UtcTicks, workload.IsProven ? 1L : 0L);
                return;
            case WorkloadRow.Asks asks:
                Execute(_putAsks, key.Asks, key.Door, asks.Share, asks.Text);
                return;
            case WorkloadRow.Door door:
                Execute(_putDoor, key.Door, door.EndHeardAt is { } at ? at.UtcTicks : DBNull.Value);
                return;
            default:
                if (key.Id is { } id) Execute(_delete, key.Door, id);
                else Execute(_deleteAsks, key.Asks);
                return;
        }
    }

    public void Dispose() => Connection.Dispose();

    private static DateTimeOffset Moment(long ticks) => new(ticks, TimeSpan.Zero);

    private static CannotStartException Unfit(string path, Exception cause) => new(
        $"{path} cannot be used ({cause.GetType().Name}). It says which workloads of wasmCloud v2 were let through, so that staged changes can be tried on them. "
        + "Make it readable and writable; or move it away together with its -wal file: a change that takes something then waits for a confirmation.",
        cause);

    private static void Execute(SqliteCommand command, params ReadOnlySpan<object> values)
    {
        for (var at = 0; at < values.Length; at++) command.Parameters[at].Value = values[at];
        command.ExecuteNonQuery();
    }

    private static void Read(SqliteConnection connection, string text, string door, Action<SqliteDataReader> each)
    {
        using var command = Command(connection, text, "$door");
        command.Parameters[0].Value = door;
        using var rows = command.ExecuteReader();
        while (rows.Read()) each(rows);
    }

    // Only constants of this file come here.
#pragma warning disable CA2100
    private static SqliteCommand Command(SqliteConnection connection, string text, params ReadOnlySpan<string> parameters)
    {
        var command = connection.CreateCommand();
        command.CommandText = text;
        foreach (var parameter in parameters) command.Parameters.Add(new SqliteParameter { ParameterName = parameter });
        return command;
    }
#pragma warning restore CA2100
}

/// <summary>What a row of the file is about: a workload, or a note, by its id; what some asked for, by its number; or the door itself.</summary>
internal readonly record struct WorkloadKey(string Door, string? Id = null, long Asks = 0);

internal abstract record WorkloadRow
{
    private WorkloadRow() { }

    /// <param name="AsksNumber">The number of what it asked for; null when nobody knows that.</param>
    /// <param name="Count">How many it stands for: of a note more than one.</param>
    /// <param name="At">When it was let through.</param>
    /// <param name="IsProven">Whether who asked had proven to be the one to ask.</param>
    public sealed record Workload(string Share, string Text, long? AsksNumber, long Count, DateTimeOffset At, bool IsProven) : WorkloadRow;

    /// <param name="Text">As <see cref="WorkloadAsks.Text"/>.</param>
    public sealed record Asks(string Share, string Text) : WorkloadRow;

    /// <summary>A door that keeps here what it lets through: before there is this row, nobody knows what that was.</summary>
    /// <param name="EndHeardAt">When it was told of a deletion last; null: never.</param>
    public sealed record Door(DateTimeOffset? EndHeardAt) : WorkloadRow;
}
