using System.Collections.Frozen;
using System.Collections.Immutable;
using Spiffe.Net;

namespace Identity.Agent.ControlPlane;

/// <summary>The entries of one snapshot, found by what was attested. An entry fits when all of its selectors were.</summary>
internal sealed class EntryIndex
{
    private const string HashSelector = "unix:sha256:";
    private const string PathSelector = "unix:path:";

    // Each entry is filed under its first selector: it can only fit a caller that has that one.
    private readonly FrozenDictionary<string, AuthorizedEntry[]> _bySelector;
    private readonly FrozenDictionary<SpiffeId, AuthorizedEntry[]> _byParent;
    private readonly FrozenDictionary<string, AuthorizedEntry> _byId;
    private readonly FrozenSet<SpiffeId> _spiffeIds;

    public EntryIndex(IEnumerable<AuthorizedEntry> entries)
    {
        // Workload API §8: the first is the default identity, so the order must not change when an entry is added.
        All = [.. entries.OrderBy(e => e.CreatedAt).ThenBy(e => e.Id, StringComparer.Ordinal)];
        _bySelector = All.GroupBy(e => e.Selectors[0], StringComparer.Ordinal).ToFrozenDictionary(g => g.Key, g => g.ToArray(), StringComparer.Ordinal);
        _byParent = All.GroupBy(e => e.Parent).ToFrozenDictionary(g => g.Key, g => g.ToArray());
        _byId = All.DistinctBy(e => e.Id).ToFrozenDictionary(e => e.Id, StringComparer.Ordinal);
        _spiffeIds = All.Select(e => e.SpiffeId).ToFrozenSet();
        WantsExecutableHash = All.Any(e => e.Selectors.Any(s => s.StartsWith(HashSelector, StringComparison.Ordinal)));
    }

    public static EntryIndex Empty { get; } = new([]);

    public ImmutableArray<AuthorizedEntry> All { get; }

    /// <summary>True when someone must be known by the hash of its executable, which costs reading all of it.</summary>
    public bool WantsExecutableHash { get; }

    public bool Knows(SpiffeId id) => _spiffeIds.Contains(id);

    public AuthorizedEntry? Find(string entryId) => _byId.GetValueOrDefault(entryId);

    public IReadOnlyList<AuthorizedEntry> ChildrenOf(SpiffeId parent) => _byParent.GetValueOrDefault(parent, []);

    public List<AuthorizedEntry> Matching(IReadOnlySet<string> selectors, DateTimeOffset now)
    {
        var found = new List<AuthorizedEntry>();
        foreach (var selector in selectors)
        {
            foreach (var entry in _bySelector.GetValueOrDefault(selector, []))
            {
                if (!entry.IsExpired(now) && selectors.IsSupersetOf(entry.Selectors)) found.Add(entry);
            }
        }

        found.Sort(static (a, b) => a.CreatedAt != b.CreatedAt ? a.CreatedAt.CompareTo(b.CreatedAt) : string.CompareOrdinal(a.Id, b.Id));
        return found;
    }

    /// <summary>Whether a process with these selectors would be entitled to more if its executable had one certain hash.</summary>
    public bool WantsHashOf(IReadOnlySet<string> selectors) => WantsExecutableHash && All.Any(
        entry => !selectors.IsSupersetOf(entry.Selectors) && entry.Selectors.All(s => selectors.Contains(s) || s.StartsWith(HashSelector, StringComparison.Ordinal)));

    /// <summary>
    /// The entry that came closest: the most selectors in common, then the fewest missing, then the path that looks most like the process's own, as one with a
    /// mistake in it does; null when there is no candidate.
    /// </summary>
    public static NearestEntry? FindNearest(IEnumerable<AuthorizedEntry> candidates, IReadOnlySet<string> selectors)
    {
        var path = selectors.FirstOrDefault(s => s.StartsWith(PathSelector, StringComparison.Ordinal));
        NearestEntry? best = null;
        foreach (var entry in candidates)
        {
            var missing = entry.Selectors.RemoveAll(selectors.Contains);
            var found = new NearestEntry(entry, missing, entry.Selectors.Length - missing.Length)
            {
                Likeness = path is null ? 0 : entry.Selectors.Contains(path) ? int.MaxValue : missing.Select(other => Likeness(other, path)).DefaultIfEmpty(0).Max(),
            };
            if (best is null || found.IsNearerThan(best)) best = found;
        }

        return best;
    }

    // Characters in common at both ends.
    private static int Likeness(string other, string path)
    {
        if (!other.StartsWith(PathSelector, StringComparison.Ordinal)) return 0;
        var start = other.AsSpan().CommonPrefixLength(path);
        var end = 0;
        while (end < Math.Min(other.Length, path.Length) - start && other[^(end + 1)] == path[^(end + 1)]) end++;
        return start + end;
    }
}

/// <param name="Missing">Selectors the entry asks for that were not attested.</param>
internal sealed record NearestEntry(AuthorizedEntry Entry, ImmutableArray<string> Missing, int Shared)
{
    /// <summary>How much of the process's own path stands in the path that the entry asks for.</summary>
    public int Likeness { get; init; }

    public bool IsNearerThan(NearestEntry other) =>
        Shared != other.Shared ? Shared > other.Shared
        : Missing.Length != other.Missing.Length ? Missing.Length < other.Missing.Length
        : Likeness > other.Likeness;
}
