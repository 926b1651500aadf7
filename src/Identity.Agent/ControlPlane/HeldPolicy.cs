using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using Identity.Policy;

namespace Identity.Agent.ControlPlane;

/// <summary>The policy documents that this agent holds, each read once however often the ones around it change, and what they make together.</summary>
internal sealed class HeldPolicy
{
    private readonly ImmutableSortedDictionary<string, StoredPolicy> _documents;

    private HeldPolicy(ulong revision, ImmutableSortedDictionary<string, StoredPolicy> documents)
    {
        Revision = revision;
        Policy = StoredPolicy.Compile(documents.Values, (long)revision);
        _documents = documents;
    }

    public static HeldPolicy None { get; } = new(0, ImmutableSortedDictionary<string, StoredPolicy>.Empty.WithComparers(StringComparer.Ordinal));

    public ulong Revision { get; }

    public CapabilityPolicy Policy { get; }

    /// <param name="last">What was held before, by which a difference is understood.</param>
    /// <param name="sent">Null is no policy, which denies everything.</param>
    public static bool TryFollow(HeldPolicy last, V1.PolicySnapshot? sent, [NotNullWhen(true)] out HeldPolicy? held, [NotNullWhen(false)] out string? problem)
    {
        held = null;
        problem = null;
        sent ??= new V1.PolicySnapshot();
        if (sent.BaseRevision != 0 && sent.BaseRevision != last.Revision)
        {
            problem = $"it tells what policy revision {sent.Revision} changes in revision {sent.BaseRevision}, and this agent holds {last.Revision}";
            return false;
        }

        if (!PackedDocuments.TryRead(sent, out var told, out problem)) return false;
        var documents = (sent.BaseRevision == 0 ? last._documents.Clear() : last._documents).ToBuilder();
        documents.RemoveRange(sent.Removed);
        foreach (var (name, text) in told)
        {
            documents[name] = last._documents.TryGetValue(name, out var known) && known.Text == text ? known : new StoredPolicy(name, text);
        }

        // Documents are only ever replaced by others, so the same ones make the same policy.
        held = sent.Revision == last.Revision && documents.Count == last._documents.Count && documents.Values.SequenceEqual(last._documents.Values, ReferenceEqualityComparer.Instance)
            ? last
            : new HeldPolicy(sent.Revision, documents.ToImmutable());
        return true;
    }

    /// <summary>All of it, as a server would tell it to an agent that has just come.</summary>
    public V1.PolicySnapshot ToMessage()
    {
        var whole = new V1.PolicySnapshot { Revision = Revision };
        foreach (var (name, document) in _documents) whole.Documents.Add(name, document.Text);
        return whole;
    }
}
