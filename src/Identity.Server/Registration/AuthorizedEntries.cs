using Identity.Server.Ledger;
using Spiffe.Net;
using Spire.Api.Types;

namespace Identity.Server.Registration;

/// <summary>What an agent may issue for: every entry below it, reached over parents and node aliases. The one answer to that question.</summary>
internal static class AuthorizedEntries
{
    /// <summary>Empty for an agent that is not attested or is banned.</summary>
    /// <returns>Sorted by entry id; entries that expired by <paramref name="now"/> are left out, and so is everything below them.</returns>
    public static IReadOnlyList<Entry> For(ControlPlaneState state, SpiffeId agentId, DateTimeOffset now) => For(state, agentId, now, out _);

    /// <param name="changesAt">When the answer is another without any transaction: the first of the entries ends, or of the node aliases they were reached over. Null: never.</param>
    public static IReadOnlyList<Entry> For(ControlPlaneState state, SpiffeId agentId, DateTimeOffset now, out DateTimeOffset? changesAt)
    {
        changesAt = null;
        return state.Agents.TryGetValue(agentId.ToString(), out var agent) && !agent.Banned
            ? Below(agentId, agent.Selectors, parent => state.EntriesFor(parent), now, out changesAt)
            : [];
    }

    /// <param name="nodeSelectors">What attestation established about the agent's node, each as <c>type:value</c>.</param>
    /// <param name="childrenOf">Entries by the text of their parent's SPIFFE ID.</param>
    /// <param name="changesAt">As of <see cref="For(ControlPlaneState, SpiffeId, DateTimeOffset, out DateTimeOffset?)"/>.</param>
    public static IReadOnlyList<Entry> Below(
        SpiffeId agentId, IEnumerable<string> nodeSelectors, Func<string, IEnumerable<Entry>> childrenOf, DateTimeOffset now, out DateTimeOffset? changesAt)
    {
        DateTimeOffset? ends = null;
        var facts = new HashSet<string>(nodeSelectors, StringComparer.Ordinal) { $"{SelectorText.SpiffeIdType}:{agentId}" };
        var seconds = now.ToUnixTimeSeconds();
        var found = new SortedDictionary<string, Entry>(StringComparer.Ordinal);

        // Each identity is looked below once, so a circle of parents ends.
        var seen = new HashSet<string>(StringComparer.Ordinal) { agentId.ToString() };
        var open = new Queue<string>(seen);

        // A node alias is an entry below the server whose selectors the node has. The agent may issue below it, but not for it:
        // the alias stands for the node, and no process on the node is the node.
        foreach (var alias in childrenOf(ReservedPaths.Server(agentId.TrustDomain).ToString()))
        {
            if (IsLive(alias, seconds) && alias.Selectors.Count > 0 && alias.Selectors.All(s => facts.Contains(SelectorText.From(s))))
            {
                Open(alias);
            }
        }

        while (open.TryDequeue(out var parent))
        {
            foreach (var entry in childrenOf(parent))
            {
                if (!IsLive(entry, seconds)) continue;
                found[entry.Id] = entry;
                Open(entry);
            }
        }

        changesAt = ends;
        return [.. found.Values];

        void Open(Entry entry)
        {
            if (entry.EndsAt() is { } end && !(ends <= end)) ends = end;
            var id = entry.SpiffeId.ToText();
            if (seen.Add(id)) open.Enqueue(id);
        }
    }

    /// <summary>Null: never.</summary>
    public static DateTimeOffset? EndsAt(this Entry entry) => entry.ExpiresAt == 0 ? null : DateTimeOffset.FromUnixTimeSeconds(entry.ExpiresAt);

    private static bool IsLive(Entry entry, long now) => entry.ExpiresAt == 0 || entry.ExpiresAt > now;
}
