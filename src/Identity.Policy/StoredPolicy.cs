using System.Collections.Immutable;

namespace Identity.Policy;

/// <summary>A policy document as it is kept and pushed: its name and its text. It is read once in its life; two threads may both read it, to the same end.</summary>
public sealed class StoredPolicy(string name, string text)
{
    private PolicyDocument? _document;

    public string Name { get; } = name;

    /// <summary>As its author wrote it.</summary>
    public string Text { get; } = text;

    /// <summary>
    /// All of these together. One that cannot be read, or calls itself otherwise, makes a policy that denies everything and says why: going on without it could drop a forbid.
    /// </summary>
    public static CapabilityPolicy Compile(IEnumerable<StoredPolicy> policies, long revision)
    {
        var documents = ImmutableArray.CreateBuilder<PolicyDocument>();
        foreach (var policy in policies)
        {
            if (policy.Read(out var problem) is not { } document)
                return CapabilityPolicy.DenyingEverything(revision, $"policy document {Quoted.From(policy.Name)} of revision {revision} cannot be read: {problem}");
            documents.Add(document);
        }

        return CapabilityPolicy.Create(documents, revision);
    }

    private PolicyDocument? Read(out string problem)
    {
        problem = "";
        if (_document is not null) return _document;
        if (!PolicyParser.TryParse(Text, out var document, out var problems, isStored: true)) problem = problems[0].ToString();
        else if (document.Name != Name) problem = $"it calls itself {Quoted.From(document.Name)}";
        else _document = document;
        return _document;
    }
}
