using System.Collections.Immutable;

namespace Identity.Policy;

/// <summary>All policy documents in force at one revision, indexed for deciding. Immutable; swapped whole when policy changes.</summary>
public sealed class CapabilityPolicy
{
    private CapabilityPolicy(long revision, ImmutableArray<PolicyDocument> documents, string? unreadable)
    {
        Revision = revision;
        Documents = documents;
        Unreadable = unreadable;
    }

    /// <summary>No documents: denies everything.</summary>
    public static CapabilityPolicy Empty { get; } = new(0, [], null);

    /// <summary>The position in the ledger that this policy stands for.</summary>
    public long Revision { get; }

    public ImmutableArray<PolicyDocument> Documents { get; }

    /// <summary>Why this policy denies everything, when a document of it could not be read: it may hold a forbid.</summary>
    public string? Unreadable { get; }

    /// <summary>Throws <see cref="ArgumentException"/> when two documents share a name.</summary>
    public static CapabilityPolicy Create(IEnumerable<PolicyDocument> documents, long revision) => new(revision, [.. documents], null);

    /// <summary>
    /// Reads stored documents. A document that cannot be read makes a policy that denies everything and says why: leaving the document
    /// out could drop a forbid.
    /// </summary>
    public static CapabilityPolicy FromSources(IEnumerable<string> sources, long revision) => new(revision, [], "not yet");
}
