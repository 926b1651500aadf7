using Identity.Ledger.V1;
using Identity.Policy;

namespace Identity.Server.Ledger;

/// <summary>A document in force, as its author wrote it, and the transaction that brought it.</summary>
internal sealed record AppliedPolicy(StoredPolicy Stored, ulong Revision, DateTimeOffset AppliedAt, string Author)
{
    public string Name => Stored.Name;

    public string Text => Stored.Text;

    public static AppliedPolicy Of(PolicyRecord set, Transaction by, ulong revision) =>
        new(new StoredPolicy(set.Name, set.Text), revision, by.At.ToDateTimeOffset(), set.Author.Length > 0 ? set.Author : by.Author);

    public static CapabilityPolicy Compile(IEnumerable<AppliedPolicy> policies, ulong revision) => StoredPolicy.Compile(policies.Select(policy => policy.Stored), (long)revision);
}
