using Identity.Server.Ledger;
using Microsoft.Data.Sqlite;

namespace Identity.Server.DecisionPoints.WasmCloudV2;

/// <summary>
/// The SQLite file beside the ledger that holds what <see cref="AllowedWorkloads"/> knows: a row for each workload that a door let through. It is no authority: staged
/// changes are tried on what is in it, and nobody is granted anything by it.
/// </summary>
internal sealed class WorkloadFile : IDisposable
{
    public const string Name = "wasmcloud-workloads.db";

    private const int SchemaVersion = 1;

    // "idww"
    private const int ApplicationId = 0x69647777;

    private const string Schema = """
        CREATE TABLE workloads (
          door TEXT NOT NULL, id TEXT NOT NULL, share TEXT NOT NULL, name TEXT NOT NULL, asks TEXT, at INTEGER NOT NULL, proven INTEGER NOT NULL, PRIMARY KEY (door, id)) STRICT, WITHOUT ROWID;
        """;

    private readonly Lock _gate = new();
    private readonly SqliteConnection _connection;
    private readonly SqliteCommand _put;
    private readonly SqliteCommand _delete;

    private WorkloadFile(SqliteConnection connection, bool isNew)
    {
        (_connection, IsNew) = (connection, isNew);
        _put = Command("INSERT OR REPLACE INTO workloads VALUES ($door, $id, $share, $name, $asks, $at, $proven)", "$door", "$id", "$share", "$name", "$asks", "$at", "$proven");
        _delete = Command("DELETE FROM workloads WHERE door = $door AND id = $id", "$door", "$id");
    }

    /// <summary>Whether there was none before: what was let through earlier is not in it.</summary>
    public bool IsNew { get; }

    /// <summary>Opens it in the data folder, creating it when it is missing.</summary>
    /// <exception cref="CannotStartException">It cannot be written, or is something else.</exception>
    public static WorkloadFile Open(string folder)
    {
        SqliteConnection? connection = null;
        try
        {
            var isNew = !File.Exists(Path.Combine(folder, Name));
            var path = LedgerFolder.PrivateFile(folder, Name);
            DurableFile.SyncFolder(folder);
            connection = LedgerFile.Connect(path);
            LedgerFile.Prepare(connection, path, ApplicationId, SchemaVersion, Schema);
            LedgerFile.Execute(connection, "PRAGMA wal_autocheckpoint=1000");
            return new WorkloadFile(connection, isNew);
        }
        catch (Exception e)
        {
            connection?.Dispose();
            throw e is SqliteException or IOException or UnauthorizedAccessException ? new CannotStartException(
                $"{Path.Combine(folder, Name)} cannot be used ({e.GetType().Name}). It says which workloads of wasmCloud v2 were let through, so that staged changes can be tried on them. "
                + "Make it readable and writable; or move it away together with its -wal file: a change that takes something then waits for a confirmation.",
                e) : e;
        }
    }

    /// <summary>What one door let through, each with the moment it did, and whether who asked had proven to be the one to ask.</summary>
    public IReadOnlyList<(AllowedWorkload Workload, DateTimeOffset At, bool IsProven)> Read(string door)
    {
        lock (_gate)
        {
            using var command = Command("SELECT id, share, name, asks, at, proven FROM workloads WHERE door = $door ORDER BY at, id", "$door");
            command.Parameters[0].Value = door;
            using var rows = command.ExecuteReader();
            var found = new List<(AllowedWorkload, DateTimeOffset, bool)>();
            while (rows.Read())
            {
                var share = rows.GetString(1);
                var asks = rows.IsDBNull(3) ? null : WorkloadAsks.Read(rows.GetString(3), share);
                found.Add((new AllowedWorkload(rows.GetString(0), share, rows.GetString(2), asks), new DateTimeOffset(rows.GetInt64(4), TimeSpan.Zero), rows.GetInt64(5) != 0));
            }

            return found;
        }
    }

    /// <summary>On disk when it returns.</summary>
    public void Put(string door, AllowedWorkload workload, DateTimeOffset at, bool isProven)
    {
        lock (_gate) Execute(_put, door, workload.Id, workload.Share, workload.Text, workload.Asks is { } asks ? asks.Text : DBNull.Value, at.UtcTicks, isProven ? 1L : 0L);
    }

    /// <summary>What cannot be taken out comes back with the next start, and is tried for nothing.</summary>
    public void Delete(string door, IReadOnlyCollection<string> ids)
    {
        lock (_gate)
        {
            try
            {
                using var all = _connection.BeginTransaction();
                _delete.Transaction = all;
                foreach (var id in ids) Execute(_delete, door, id);
                all.Commit();
            }
            catch (SqliteException)
            {
                // A deletion is never held up.
            }
            finally
            {
                _delete.Transaction = null;
            }
        }
    }

    public void Dispose() => _connection.Dispose();

    private static void Execute(SqliteCommand command, params ReadOnlySpan<object> values)
    {
        for (var at = 0; at < values.Length; at++) command.Parameters[at].Value = values[at];
        command.ExecuteNonQuery();
    }

    // Only constants of this file come here.
#pragma warning disable CA2100
    private SqliteCommand Command(string text, params ReadOnlySpan<string> parameters)
    {
        var command = _connection.CreateCommand();
        command.CommandText = text;
        foreach (var parameter in parameters) command.Parameters.Add(new SqliteParameter { ParameterName = parameter });
        return command;
    }
#pragma warning restore CA2100
}
