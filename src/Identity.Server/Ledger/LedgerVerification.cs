using Identity.Ledger.V1;

namespace Identity.Server.Ledger;

/// <summary>Whether both hash chains hold from the first record to the last.</summary>
internal abstract record LedgerVerification
{
    private LedgerVerification() { }

    public sealed record Intact(ulong Revision, ulong Issuances) : LedgerVerification;

    /// <summary><paramref name="Problem"/> names the table and the record at which the chain breaks.</summary>
    public sealed record Broken(string Problem) : LedgerVerification;
}

/// <summary>A transaction with the revision it made.</summary>
internal sealed record NumberedTransaction(ulong Revision, Transaction Transaction);
