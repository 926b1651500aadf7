namespace Identity.Server.Ledger;

/// <summary>A policy document in force, as its author wrote it, and the transaction that brought it.</summary>
internal sealed record AppliedPolicy(string Name, string Text, ulong Revision, DateTimeOffset AppliedAt, string Author);
