using System.Collections.Immutable;

namespace Identity.Server.Ledger;

/// <summary>
/// Which transaction changed which document of one kind, policies or roles: what finds the documents of a past revision by reading these few transactions and no
/// other. About 100 bytes a change; the texts stay on disk.
/// </summary>
internal sealed class PolicyHistory
{
    private readonly ImmutableList<Mark> _marks;
    private readonly ImmutableSortedDictionary<string, ImmutableList<Mark>> _byName;

    private PolicyHistory(ImmutableList<Mark> marks, ImmutableSortedDictionary<string, ImmutableList<Mark>> byName)
    {
        _marks = marks;
        _byName = byName;
    }

    public static PolicyHistory Empty { get; } = new([], ImmutableSortedDictionary.Create<string, ImmutableList<Mark>>(StringComparer.Ordinal));

    /// <param name="revision">Never lower than that of the change before.</param>
    public PolicyHistory Add(ulong revision, string name, bool isDeleted)
    {
        var mark = new Mark(revision, name, isDeleted);
        return new(_marks.Add(mark), _byName.SetItem(name, _byName.GetValueOrDefault(name, []).Add(mark)));
    }

    /// <summary>The last revision up to this one at which a document changed; 0 before the first.</summary>
    public ulong LastChange(ulong revision) => LastAt(_marks, revision)?.Revision ?? 0;

    /// <summary>The last revision that set or deleted a document of this name; 0 when none did.</summary>
    public ulong LastChangeOf(string name) => _byName.TryGetValue(name, out var marks) ? marks[^1].Revision : 0;

    /// <summary>The documents in force at a revision, by name in ordinal order, and the transaction that holds each one's text.</summary>
    public IEnumerable<(string Name, ulong Revision)> InForceAt(ulong revision)
    {
        foreach (var (name, marks) in _byName)
        {
            if (LastAt(marks, revision) is { IsDeleted: false } mark) yield return (name, mark.Revision);
        }
    }

    /// <summary>Whether a document of this name was in force at a revision.</summary>
    public bool WasInForce(string name, ulong revision) =>
        _byName.TryGetValue(name, out var marks) && LastAt(marks, revision) is { IsDeleted: false };

    /// <summary>Documents that are others at one revision than at another, by name in ordinal order.</summary>
    public IEnumerable<string> ChangedBetween(ulong one, ulong other) =>
        _byName.Where(document => InForce(document.Value, one) != InForce(document.Value, other)).Select(document => document.Key);

    /// <summary>Revisions that changed a document, the newest first.</summary>
    /// <param name="before">Only earlier ones.</param>
    /// <param name="name">Only those that changed this one; null: any.</param>
    public IEnumerable<ulong> Revisions(ulong before, string? name)
    {
        var marks = name is null ? _marks : _byName.GetValueOrDefault(name, []);
        var last = ulong.MaxValue;
        for (var i = CountUpTo(marks, before == 0 ? 0 : before - 1) - 1; i >= 0; i--)
        {
            if (marks[i].Revision != last) yield return last = marks[i].Revision;
        }
    }

    private static ulong InForce(ImmutableList<Mark> marks, ulong revision) => LastAt(marks, revision) is { IsDeleted: false } mark ? mark.Revision : 0;

    private static Mark? LastAt(ImmutableList<Mark> marks, ulong revision) => CountUpTo(marks, revision) is > 0 and var count ? marks[count - 1] : null;

    private static int CountUpTo(ImmutableList<Mark> marks, ulong revision)
    {
        var (low, high) = (0, marks.Count);
        while (low < high)
        {
            var middle = low + (high - low) / 2;
            if (marks[middle].Revision <= revision) low = middle + 1;
            else high = middle;
        }

        return low;
    }

    private sealed record Mark(ulong Revision, string Name, bool IsDeleted);
}
