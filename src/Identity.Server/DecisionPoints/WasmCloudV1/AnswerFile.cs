using System.Globalization;
using Identity.Server.Ledger;
using Microsoft.Data.Sqlite;

namespace Identity.Server.DecisionPoints.WasmCloudV1;

/// <summary>
/// The SQLite file beside the ledger that holds the yeses of v1 hosts, and what they were told unasked: one row for each question. It is no authority,
/// and no part of the ledger: what is in it is judged anew before anything rests on it.
/// </summary>
internal sealed class AnswerFile : IRowFile<string, GivenAnswer>
{
    public const string Name = "wasmcloud-answers.db";

    /// <summary>One gigabyte: three times what the most and longest answers take.</summary>
    public const int MaxPages = 262_144;

    private const int SchemaVersion = 1;

    // "idwa"
    private const int ApplicationId = 0x69647761;

    private const string Schema = $"""
        CREATE TABLE answers (
          id TEXT PRIMARY KEY, kind TEXT NOT NULL, lattice TEXT NOT NULL, host TEXT NOT NULL, target TEXT NOT NULL, image TEXT NOT NULL, instances INTEGER NOT NULL,
          interface TEXT NOT NULL, function TEXT NOT NULL, permitted INTEGER NOT NULL, at INTEGER NOT NULL, news TEXT) STRICT, WITHOUT ROWID;
        {GroupCommit.Schema}
        """;

    private const string Put =
        "INSERT OR REPLACE INTO answers VALUES ($id, $kind, $lattice, $host, $target, $image, $instances, $interface, $function, $permitted, $at, $news)";

    private readonly SqliteConnection _connection;
    private readonly SqliteCommand _put;
    private readonly SqliteCommand _delete;

    private AnswerFile(SqliteConnection connection)
    {
        _connection = connection;
        _put = Command(Put, "$id", "$kind", "$lattice", "$host", "$target", "$image", "$instances", "$interface", "$function", "$permitted", "$at", "$news");
        _delete = Command("DELETE FROM answers WHERE id = $id", "$id");
    }

    public SqliteConnection Connection => _connection;

    /// <summary>Opens it in the data folder, creating it when it is missing.</summary>
    /// <exception cref="CannotStartException">It cannot be written, or is something else.</exception>
    public static AnswerFile Open(string folder, int maxPages = MaxPages)
    {
        SqliteConnection? connection = null;
        try
        {
            var path = LedgerFolder.PrivateFile(folder, Name);
            DurableFile.SyncFolder(folder);
            connection = LedgerFile.Connect(path);
            LedgerFile.Prepare(connection, path, ApplicationId, SchemaVersion, Schema);
            LedgerFile.Execute(connection, "PRAGMA wal_autocheckpoint=1000");
            LedgerFile.Execute(connection, string.Create(CultureInfo.InvariantCulture, $"PRAGMA max_page_count={maxPages}"));
            return new AnswerFile(connection);
        }
        catch (Exception e)
        {
            connection?.Dispose();
            throw e is SqliteException or IOException or UnauthorizedAccessException ? Unfit(folder, e) : e;
        }
    }

    /// <summary>All rows, the oldest first.</summary>
    /// <exception cref="CannotStartException">They cannot be read.</exception>
    public IReadOnlyList<GivenAnswer> Read()
    {
        try
        {
            using var command = Command("SELECT * FROM answers ORDER BY at, id");
            using var rows = command.ExecuteReader();
            var answers = new List<GivenAnswer>();
            while (rows.Read()) answers.Add(AnswerOf(rows));
            return answers;
        }
        catch (Exception e) when (e is SqliteException or FormatException or ArgumentException)
        {
            throw Unfit(Path.GetDirectoryName(_connection.DataSource)!, e);
        }
    }

    /// <inheritdoc/>
    public void Change(string key, GivenAnswer? row)
    {
        if (row is null) Execute(_delete, key);
        else Execute(_put, ValuesOf(row));
    }

    public void Dispose() => _connection.Dispose();

    private static object[] ValuesOf(GivenAnswer answer)
    {
        var request = answer.Request;
        return
        [
            request.RequestId, request.Kind.ToString(), request.Lattice, request.HostKey, request.Id, request.ImageReference, request.MaxInstances,
            request.Interface, request.Function, answer.Permitted ? 1L : 0L, answer.At.UtcTicks, answer.News is { } news ? news.Message : DBNull.Value,
        ];
    }

    private static GivenAnswer AnswerOf(SqliteDataReader row)
    {
        var request = new PolicyRequest
        {
            RequestId = row.GetString(0),
            Kind = Enum.Parse<PolicyRequestKind>(row.GetString(1)),
            Lattice = row.GetString(2),
            HostKey = row.GetString(3),
            Id = row.GetString(4),
            ImageReference = row.GetString(5),
            MaxInstances = row.GetInt64(6),
            Interface = row.GetString(7),
            Function = row.GetString(8),
        };
        var permitted = row.GetInt64(9) != 0;
        return new GivenAnswer(request, permitted, ValidUntil: null)
        {
            At = new DateTimeOffset(row.GetInt64(10), TimeSpan.Zero),
            News = row.IsDBNull(11) ? null : new PolicyResponse(request.RequestId, permitted, row.GetString(11)),
        };
    }

    private static CannotStartException Unfit(string folder, Exception cause)
    {
        var why = cause is SqliteException sqlite ? string.Create(CultureInfo.InvariantCulture, $"SQLite error {sqlite.SqliteErrorCode}") : cause.Message;
        return new CannotStartException(
            $"{Path.Combine(folder, Name)} cannot be used ({why}). It says what wasmCloud v1 hosts are permitted, so that it can be taken back. Make it readable and writable; "
            + "or move it away together with its -wal file, and restart those hosts: what they were permitted before is taken back from nobody.",
            cause);
    }

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
