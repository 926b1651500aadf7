using System.Collections.Concurrent;
using System.Collections.Frozen;
using System.Collections.Immutable;
using Identity.Ledger.V1;
using Identity.Server.Ledger;
using Spiffe.Net;
using Spire.Api.Types;

namespace Identity.Server.Registration;

/// <summary>
/// <see cref="AuthorizedEntries"/> by id, kept for each agent for as long as the answer is the same: every token is asked for by entry, and a node may have
/// thousands.
/// </summary>
internal sealed class AgentEntries(ControlPlaneLedger ledger, TimeProvider time)
{
    private volatile Generation _generation = new(ImmutableDictionary<string, Entry>.Empty);

    /// <summary>Empty for an agent that is not attested or is banned.</summary>
    public IReadOnlyDictionary<string, Entry> Of(SpiffeId agentId)
    {
        var state = ledger.State;
        if (!state.Agents.TryGetValue(agentId.ToString(), out var agent)) return FrozenDictionary<string, Entry>.Empty;

        // All are forgotten with the first change of any entry, so nothing old is held for an agent that asks no more.
        var generation = _generation;
        if (!ReferenceEquals(generation.Entries, state.Entries)) _generation = generation = new Generation(state.Entries);
        var now = time.GetUtcNow();
        if (generation.Kept.TryGetValue(agentId, out var kept) && ReferenceEquals(kept.Agent, agent) && kept.From <= now && !(kept.ChangesAt <= now)) return kept.Entries;

        var entries = AuthorizedEntries.For(state, agentId, now, out var changesAt);
        var read = new Answer(agent, entries.ToDictionary(entry => entry.Id, StringComparer.Ordinal), now, changesAt);
        generation.Kept[agentId] = read;
        return read.Entries;
    }

    /// <param name="Entries">Of the state it was made for; its maps are immutable and shared between states, so untouched ones are the same object.</param>
    private sealed record Generation(ImmutableDictionary<string, Entry> Entries)
    {
        public ConcurrentDictionary<SpiffeId, Answer> Kept { get; } = [];
    }

    /// <param name="From">A clock that was set back may find more.</param>
    private sealed record Answer(AgentRecord Agent, IReadOnlyDictionary<string, Entry> Entries, DateTimeOffset From, DateTimeOffset? ChangesAt);
}
