using Microsoft.Data.Sqlite;

namespace Identity.Server.Ledger;

/// <summary>Reads the ledger file, and checks the chains while doing so.</summary>
internal sealed class LedgerReader(SqliteConnection connection) : IDisposable
{
    /// <summary>
    /// Reads a whole chained table in order. Returns the chain's end.
    /// </summary>
    /// <exception cref="BrokenChainException">A record is missing, changed or out of place.</exception>
    public HashChain ReadChain(string table, Action<ulong, byte[]> record, CancellationToken cancellation)
    {
        using var command = connection.CreateCommand();
        command.CommandText = table == LedgerFile.Transactions
            ? "SELECT number, payload, hash FROM transactions ORDER BY number"
            : "SELECT number, payload, hash FROM issuances ORDER BY number";
        var chain = HashChain.Start(table);
        try
        {
            using var rows = command.ExecuteReader();
            while (rows.Read())
            {
                cancellation.ThrowIfCancellationRequested();
                var number = (ulong)rows.GetInt64(0);
                var payload = rows.GetFieldValue<byte[]>(1);
                var hash = rows.GetFieldValue<byte[]>(2);
                if (number != chain.Number + 1)
                {
                    throw new BrokenChainException(table, chain.Number + 1, "is missing");
                }
                chain = chain.Next(payload);
                if (!chain.Tail.SequenceEqual(hash))
                {
                    throw new BrokenChainException(table, number, "does not match its hash: it was changed after it was written");
                }
                record(number, payload);
            }
        }
        catch (SqliteException e)
        {
            throw new BrokenChainException(table, chain.Number + 1, $"cannot be read (SQLite error {e.SqliteErrorCode})");
        }
        return chain;
    }

    /// <summary>The newest records of a chained table, newest first.</summary>
    public IEnumerable<(ulong Number, byte[] Payload)> ReadNewest(string table, int limit)
    {
        using var command = connection.CreateCommand();
        command.CommandText = table == LedgerFile.Transactions
            ? "SELECT number, payload FROM transactions ORDER BY number DESC LIMIT $limit"
            : "SELECT number, payload FROM issuances ORDER BY number DESC LIMIT $limit";
        command.Parameters.AddWithValue("$limit", limit);
        using var rows = command.ExecuteReader();
        while (rows.Read())
        {
            yield return ((ulong)rows.GetInt64(0), rows.GetFieldValue<byte[]>(1));
        }
    }

    /// <summary>One transaction's bytes; null when there is none of that number.</summary>
    public byte[]? ReadTransaction(ulong number)
    {
        using var command = connection.CreateCommand();
        command.CommandText = "SELECT payload FROM transactions WHERE number = $number";
        command.Parameters.AddWithValue("$number", (long)number);
        return command.ExecuteScalar() as byte[];
    }

    /// <summary>Oldest first.</summary>
    public IEnumerable<byte[]> ReadDecisions()
    {
        using var command = connection.CreateCommand();
        command.CommandText = "SELECT payload FROM decisions ORDER BY number";
        using var rows = command.ExecuteReader();
        while (rows.Read())
        {
            yield return rows.GetFieldValue<byte[]>(0);
        }
    }

    public void Dispose() => connection.Dispose();
}

/// <summary>A chain does not hold at one record.</summary>
internal sealed class BrokenChainException(string table, ulong number, string what)
    : Exception($"Record {number} of the ledger's {table} {what}.");
