using System.Collections.Immutable;
using Identity.Policy.Evaluation;

namespace Identity.Policy;

/// <summary>All policy documents in force at one revision, indexed for deciding. Immutable; swapped whole when policy changes.</summary>
public sealed class CapabilityPolicy
{
    /// <summary>Signers named by key, of all rules together. A hostile component makes an agent try each with each signature that it carries.</summary>
    public const int MaxSignerKeys = 128;

    private readonly Lazy<ExplanationIndex> _forExplaining;
    private readonly ImmutableDictionary<string, int> _labelSteps;

    private CapabilityPolicy(long revision, ImmutableArray<PolicyDocument> documents, string? unreadable)
    {
        var usage = default(PolicyUsage);
        var labelSteps = ImmutableDictionary<string, int>.Empty;
        ClauseList = unreadable is null ? ClauseBuilder.Build(documents, out usage, out labelSteps, out unreadable) : [];
        (Usage, _labelSteps) = (usage, labelSteps);
        SignerKeys = KeysOf(ClauseList);
        Revision = revision;
        Documents = unreadable is null ? documents : [];
        Unreadable = unreadable;
        ClauseIndex = new ClauseIndex(ClauseList);
        HoldsFunctions = ClauseList.Any(clause => clause.Ceilings != StatedCeilings.None
            && clause.Capability is Capability.Import { Pattern.Function: not null } or Capability.Export { Pattern: { Interface: not null, Function: not null } });
        _forExplaining = new Lazy<ExplanationIndex>(() => new ExplanationIndex(ClauseList));
    }

    /// <summary>No documents: denies everything.</summary>
    public static CapabilityPolicy Empty { get; } = new(0, [], null);

    /// <summary>The position in the ledger that this policy stands for.</summary>
    public long Revision { get; }

    public ImmutableArray<PolicyDocument> Documents { get; }

    /// <summary>Why this policy denies everything, when a document of it could not be read: it may hold a forbid.</summary>
    public string? Unreadable { get; }

    /// <summary>What of the limits that all documents share is used; nothing when it is unreadable.</summary>
    public PolicyUsage Usage { get; }

    /// <summary>Of <see cref="PolicyUsage.LabelSteps"/>, what the rules of one document take.</summary>
    public int LabelStepsOf(string document) => _labelSteps.GetValueOrDefault(document);

    /// <summary>Every key that a rule names as signer, sorted by its text: what a component's signatures are tried with. At most <see cref="MaxSignerKeys"/>.</summary>
    public ImmutableArray<SignerName> SignerKeys { get; }

    /// <summary>Everything the policy says, sorted by the reference of the rule, labels expanded; empty when it is unreadable.</summary>
    public IEnumerable<PolicyClause> Clauses => ClauseList;

    internal ImmutableArray<PolicyClause> ClauseList { get; }

    internal ClauseIndex ClauseIndex { get; }

    /// <summary>Whether permits of single functions of interfaces state ceilings, which then hold also where the interface is granted whole.</summary>
    internal bool HoldsFunctions { get; }

    /// <summary>Made when the first refusal is explained.</summary>
    internal ExplanationIndex ForExplaining => _forExplaining.Value;


    /// <summary>
    /// Throws <see cref="ArgumentException"/> when two documents share a name. What is too large, or holds a forbid that cannot be
    /// evaluated, makes a policy that denies everything; ask <see cref="Unreadable"/> before it is put in force.
    /// </summary>
    public static CapabilityPolicy Create(IEnumerable<PolicyDocument> documents, long revision)
    {
        ImmutableArray<PolicyDocument> all = [.. documents];
        return SharedName(all) is { } name
            ? throw new ArgumentException($"two policy documents are named '{name}'", nameof(documents))
            : new CapabilityPolicy(revision, all, unreadable: null);
    }

    /// <summary>
    /// Reads stored documents. One that cannot be read makes a policy that denies everything and says why: going on without it could
    /// drop a forbid.
    /// </summary>
    public static CapabilityPolicy FromSources(IEnumerable<string> sources, long revision)
    {
        var documents = ImmutableArray.CreateBuilder<PolicyDocument>();
        foreach (var source in sources)
        {
            if (!PolicyParser.TryParse(source, out var document, out var problems, isStored: true))
                return DenyingEverything(revision, $"a policy document of revision {revision} cannot be read: {problems[0]}");
            documents.Add(document);
        }

        return SharedName(documents.ToImmutable()) is { } name
            ? DenyingEverything(revision, $"two policy documents of revision {revision} are named '{name}'")
            : new CapabilityPolicy(revision, documents.ToImmutable(), unreadable: null);
    }

    internal static CapabilityPolicy DenyingEverything(long revision, string why) => new(revision, [], why);

    private static ImmutableArray<SignerName> KeysOf(ImmutableArray<PolicyClause> clauses) =>
        [.. clauses.Select(clause => clause.Subject.Signer).OfType<SignerName>().Where(signer => signer.IsKey).Distinct().OrderBy(signer => signer.Text, StringComparer.Ordinal)];

    private static string? SharedName(ImmutableArray<PolicyDocument> documents) =>
        documents.GroupBy(document => document.Name, StringComparer.Ordinal).FirstOrDefault(group => group.Count() > 1)?.Key;
}
