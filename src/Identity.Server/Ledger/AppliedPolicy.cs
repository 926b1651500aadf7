using Identity.Ledger.V1;

namespace Identity.Server.Ledger;

/// <summary>A document in force, as its author wrote it, and the transaction that brought it.</summary>
internal sealed record AppliedPolicy(string Name, string Text, ulong Revision, DateTimeOffset AppliedAt, string Author)
{
    public static AppliedPolicy Of(PolicyRecord set, Transaction by, ulong revision) =>
        new(set.Name, set.Text, revision, by.At.ToDateTimeOffset(), set.Author.Length > 0 ? set.Author : by.Author);
}
