using Identity.Ledger.V1;
using Identity.Policy;

namespace Identity.Server.Ledger;

/// <summary>A document in force, as its author wrote it, and the transaction that brought it.</summary>
internal sealed record AppliedPolicy(string Name, string Text, ulong Revision, DateTimeOffset AppliedAt, string Author)
{
    private PolicyDocument? _document;

    public static AppliedPolicy Of(PolicyRecord set, Transaction by, ulong revision) =>
        new(set.Name, set.Text, revision, by.At.ToDateTimeOffset(), set.Author.Length > 0 ? set.Author : by.Author);

    /// <summary>
    /// All of these together. Each is read once in its life, however often the policies around it change; two threads may both read it, to the same end.
    /// </summary>
    public static CapabilityPolicy Compile(IReadOnlyCollection<AppliedPolicy> policies, ulong revision)
    {
        var documents = new List<PolicyDocument>(policies.Count);
        foreach (var policy in policies)
        {
            if (policy._document is null && PolicyParser.TryParse(policy.Text, out var document, out _) && document.Name == policy.Name) policy._document = document;
            // One that cannot be read makes a policy that denies everything and says why.
            if (policy._document is null) return CapabilityPolicy.FromSources(policies.Select(known => known.Text), (long)revision);
            documents.Add(policy._document);
        }

        return CapabilityPolicy.Create(documents, (long)revision);
    }
}
