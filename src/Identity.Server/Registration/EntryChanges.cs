using Identity.Ledger.V1;
using Identity.Server.Ledger;
using Spiffe.Net;
using Types = Spire.Api.Types;

namespace Identity.Server.Registration;

/// <summary>The entries a batch has set so far, laid over a state, so that later items see earlier ones.</summary>
internal sealed class EntryChanges
{
    private readonly ControlPlaneState _state;
    private readonly Dictionary<string, Types.Entry> _byLikeness = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Types.Entry> _set = new(StringComparer.Ordinal);

    /// <param name="batch">All that may be set; siblings with other SPIFFE IDs are not looked at, for a parent may have very many.</param>
    public EntryChanges(ControlPlaneState state, IEnumerable<RegistrationEntry> batch)
    {
        _state = state;
        var items = batch.ToList();
        var paths = items.Select(e => e.SpiffeId.Path).ToHashSet(StringComparer.Ordinal);
        foreach (var parent in items.Select(e => e.ParentId.ToString()).Distinct(StringComparer.Ordinal))
        {
            foreach (var entry in state.EntriesFor(parent))
            {
                if (paths.Contains(entry.SpiffeId.Path)) _byLikeness.TryAdd(RegistrationEntry.LikenessOf(entry), entry);
            }
        }
    }

    public IReadOnlyList<Change> List => [.. _set.Values.Select(entry => new Change { EntrySet = entry })];

    public Types.Entry? Find(string id) => _set.GetValueOrDefault(id) ?? _state.Entries.GetValueOrDefault(id);

    public Types.Entry? FindLike(RegistrationEntry entry) => _byLikeness.GetValueOrDefault(entry.Likeness);

    /// <summary>Why an entry gives nobody an identity, as far as its parent goes; null when it may. A node alias is created with the token of a node that has yet to come.</summary>
    public string? WhyBelowNobody(Types.Entry entry, TrustDomain trustDomain)
    {
        var parent = ControlPlaneState.Text(entry.ParentId);
        return parent == ReservedPaths.Server(trustDomain).ToString() || _state.Agents.ContainsKey(parent)
            || entry.Selectors.Any(selector => selector.Type == SelectorText.SpiffeIdType)
            || _set.Values.Any(other => entry.ParentId.Equals(other.SpiffeId)) || !_state.EntriesOf(entry.ParentId).IsEmpty
            ? null
            : $"no entry and no attested agent is {parent}: until one is, this entry gives nobody an identity";
    }

    public Types.Entry Set(RegistrationEntry entry, Types.Entry wire)
    {
        _byLikeness[entry.Likeness] = wire;
        _set[wire.Id] = wire;
        return wire;
    }
}
