using System.Collections.Immutable;
using Identity.Server.Ledger;
using Identity.Server.Registration;
using Spiffe.Net;
using Bundle = Spire.Api.Types.Bundle;
using Entry = Spire.Api.Types.Entry;

namespace Identity.Server.ComponentPolicy;

/// <summary>What one agent must know of one state, and whether that differs from what it was told.</summary>
internal sealed class AgentView
{
    private readonly ControlPlaneState _state;

    private AgentView(ControlPlaneState state, IReadOnlyList<Entry> entries, IReadOnlyList<Bundle> federatedBundles, DateTimeOffset? changesAt)
    {
        _state = state;
        Entries = entries;
        FederatedBundles = federatedBundles;
        ChangesAt = changesAt;
    }

    public IReadOnlyList<Entry> Entries { get; }

    /// <summary>Of the trust domains that its entries federate with, in ordinal order.</summary>
    public IReadOnlyList<Bundle> FederatedBundles { get; }

    public ulong PolicyRevision => _state.PolicyRevision;

    public ImmutableSortedDictionary<string, AppliedPolicy> Policies => _state.Policies;

    /// <summary>When the view changes without any transaction: the first of its entries expires, or of the node aliases above them. Null: never.</summary>
    public DateTimeOffset? ChangesAt { get; }

    /// <param name="last">The agent's view before, if there is one: a change of policy alone, which concerns every agent at once, leaves its entries as they were.</param>
    public static AgentView Of(ControlPlaneState state, SpiffeId agent, DateTimeOffset now, AgentView? last = null)
    {
        if (last is not null && !(last.ChangesAt <= now)
            && ReferenceEquals(last._state.Entries, state.Entries)
            && ReferenceEquals(last._state.Agents, state.Agents)
            && ReferenceEquals(last._state.FederatedBundles, state.FederatedBundles))
        {
            return new(state, last.Entries, last.FederatedBundles, last.ChangesAt);
        }

        var entries = AuthorizedEntries.For(state, agent, now, out var changesAt);
        var bundles = entries.SelectMany(entry => entry.FederatesWith).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)
            .Select(name => state.FederatedBundles.GetValueOrDefault(name)).OfType<Bundle>();
        return new(state, entries, [.. bundles], changesAt);
    }

    /// <summary>The state's maps are immutable and shared between states, so an untouched part is the same object.</summary>
    public bool SaysTheSameAs(AgentView other) =>
        _state.PolicyRevision == other._state.PolicyRevision
        && ReferenceEquals(_state.Authorities, other._state.Authorities)
        && ReferenceEquals(_state.Crls, other._state.Crls)
        && (ReferenceEquals(FederatedBundles, other.FederatedBundles) || FederatedBundles.SequenceEqual(other.FederatedBundles, ReferenceEqualityComparer.Instance))
        && (ReferenceEquals(Entries, other.Entries) || Entries.SequenceEqual(other.Entries, ReferenceEqualityComparer.Instance));
}
