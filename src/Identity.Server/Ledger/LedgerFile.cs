using Microsoft.Data.Sqlite;

namespace Identity.Server.Ledger;

/// <summary>
/// The SQLite file: two chained tables and one loose one. WAL with synchronous=FULL, so a commit is one fsync and is on disk when it
/// returns; checkpoints are done by another connection, so that they delay no commit.
/// </summary>
internal sealed class LedgerFile : IDisposable
{
    public const string Transactions = "transactions";
    public const string Issuances = "issuances";

    private const int SchemaVersion = 1;

    // "idlg": tells `file` and us that the file is a ledger and not some other database.
    private const int ApplicationId = 0x69646c67;

    private const string Schema = $"""
        CREATE TABLE {Transactions} (number INTEGER PRIMARY KEY, payload BLOB NOT NULL, hash BLOB NOT NULL) STRICT;
        CREATE TABLE {Issuances} (number INTEGER PRIMARY KEY, payload BLOB NOT NULL, hash BLOB NOT NULL) STRICT;
        CREATE TABLE decisions (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, payload BLOB NOT NULL) STRICT;
        """;

    private readonly string _path;
    private readonly SqliteConnection _connection;
    private readonly SqliteCommand _begin;
    private readonly SqliteCommand _commit;
    private readonly SqliteCommand _rollback;
    private readonly ChainedInsert _insertTransaction;
    private readonly ChainedInsert _insertIssuance;
    private readonly SqliteCommand _insertDecision;
    private readonly SqliteCommand _forgetDecision;

    private LedgerFile(string path, SqliteConnection connection)
    {
        _path = path;
        _connection = connection;
        _begin = Command("BEGIN IMMEDIATE");
        _commit = Command("COMMIT");
        _rollback = Command("ROLLBACK");
        _insertTransaction = new ChainedInsert(connection, Transactions);
        _insertIssuance = new ChainedInsert(connection, Issuances);
        _insertDecision = Command("INSERT OR REPLACE INTO decisions (id, payload) VALUES ($id, $payload)");
        _insertDecision.Parameters.Add("$id", SqliteType.Text);
        _insertDecision.Parameters.Add("$payload", SqliteType.Blob);
        _forgetDecision = Command("DELETE FROM decisions WHERE id = $id");
        _forgetDecision.Parameters.Add("$id", SqliteType.Text);
    }

    /// <summary>Opens for writing, creating the tables when the file is empty.</summary>
    /// <exception cref="CannotStartException">The file is no ledger, or one of a newer version.</exception>
    public static LedgerFile Open(string path)
    {
        var connection = Connect(path);
        try
        {
            Prepare(connection, path, ApplicationId, SchemaVersion, Schema);
            return new LedgerFile(path, connection);
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    public void Begin() => _begin.ExecuteNonQuery();

    public void Commit() => _commit.ExecuteNonQuery();

    public void Rollback()
    {
        if (!IsOver(_connection)) _rollback.ExecuteNonQuery();
    }

    /// <summary>Whether no transaction is open: SQLite has undone it itself where the commit found no room on the disk.</summary>
    internal static bool IsOver(SqliteConnection connection) => SQLitePCL.raw.sqlite3_get_autocommit(connection.Handle) != 0;

    public void InsertTransaction(in HashChain chain, byte[] payload) => _insertTransaction.Execute(chain, payload);

    public void InsertIssuance(in HashChain chain, byte[] payload) => _insertIssuance.Execute(chain, payload);

    public void InsertDecision(string id, byte[] payload)
    {
        _insertDecision.Parameters[0].Value = id;
        _insertDecision.Parameters[1].Value = payload;
        _insertDecision.ExecuteNonQuery();
    }

    public void ForgetDecision(string id)
    {
        _forgetDecision.Parameters[0].Value = id;
        _forgetDecision.ExecuteNonQuery();
    }

    /// <summary>A connection of its own, which sees the file as it was at its first read and blocks nobody.</summary>
    public LedgerReader OpenReader() => new(Connect(_path));

    /// <summary>Moves what is committed from the write-ahead log into the file; truncates the log too when told so.</summary>
    public static void Checkpoint(SqliteConnection connection, bool truncate)
    {
        using var command = connection.CreateCommand();
        command.CommandText = truncate ? "PRAGMA wal_checkpoint(TRUNCATE)" : "PRAGMA wal_checkpoint(PASSIVE)";
        command.ExecuteNonQuery();
    }

    public SqliteConnection OpenForCheckpoints() => Connect(_path);

    public long LogLength()
    {
        var log = new FileInfo(_path + "-wal");
        return log.Exists ? log.Length : 0;
    }

    public void Dispose() => _connection.Dispose();

    /// <summary>A connection to any of our files.</summary>
    internal static SqliteConnection Connect(string path)
    {
        var connection = new SqliteConnection(new SqliteConnectionStringBuilder
        {
            DataSource = path,
            Mode = SqliteOpenMode.ReadWrite,
            Pooling = false,
        }.ToString());
        connection.Open();
        return connection;
    }

    /// <summary>Sets a connection up so that a commit is on disk when it returns, and creates the tables when the file is empty.</summary>
    /// <param name="applicationId">Tells this kind of file from other databases.</param>
    /// <param name="schema">Creates the tables.</param>
    /// <exception cref="CannotStartException">The file is of another kind, or of a newer version.</exception>
    internal static void Prepare(SqliteConnection connection, string path, int applicationId, int version, string schema)
    {
        var found = (Application: Number(connection, "PRAGMA application_id"), Version: Number(connection, "PRAGMA user_version"));
        if (found != (0, 0) && found != (applicationId, version))
        {
            throw new CannotStartException(found.Application == applicationId
                ? $"{path} was written by a newer identityd (format {found.Version}, this one reads {version}). Start that version instead."
                : $"{path} is a database of something else. Choose another folder with --data-dir.");
        }
        Execute(connection, "PRAGMA journal_mode=WAL");
        // FULL: an acknowledged record survives a power cut. Group commit makes the fsync cheap.
        Execute(connection, "PRAGMA synchronous=FULL");
        Execute(connection, "PRAGMA wal_autocheckpoint=0");
        if (found.Application == 0)
        {
            Execute(connection, $"""
                BEGIN IMMEDIATE;
                {schema}
                PRAGMA application_id = {applicationId};
                PRAGMA user_version = {version};
                COMMIT;
                """);
        }
    }

    // Only constants come here.
#pragma warning disable CA2100
    internal static long Number(SqliteConnection connection, string text)
    {
        using var command = connection.CreateCommand();
        command.CommandText = text;
        return (long)command.ExecuteScalar()!;
    }

    internal static void Execute(SqliteConnection connection, string text)
    {
        using var command = connection.CreateCommand();
        command.CommandText = text;
        command.ExecuteNonQuery();
    }

    private SqliteCommand Command(string text)
    {
        var command = _connection.CreateCommand();
        command.CommandText = text;
        return command;
    }
#pragma warning restore CA2100

    private sealed class ChainedInsert
    {
        private readonly SqliteCommand _command;

        public ChainedInsert(SqliteConnection connection, string table)
        {
            _command = connection.CreateCommand();
            _command.CommandText = table == Transactions
                ? "INSERT INTO transactions (number, payload, hash) VALUES ($number, $payload, $hash)"
                : "INSERT INTO issuances (number, payload, hash) VALUES ($number, $payload, $hash)";
            _command.Parameters.Add("$number", SqliteType.Integer);
            _command.Parameters.Add("$payload", SqliteType.Blob);
            _command.Parameters.Add("$hash", SqliteType.Blob);
        }

        public void Execute(in HashChain chain, byte[] payload)
        {
            _command.Parameters[0].Value = (long)chain.Number;
            _command.Parameters[1].Value = payload;
            _command.Parameters[2].Value = chain.TailToArray();
            _command.ExecuteNonQuery();
        }
    }
}
