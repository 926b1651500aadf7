namespace Identity.Policy.Evaluation;

/// <summary>
/// The names that forbids speak of, sorted: whoever asks for everything below a name is forbidden what is forbidden of any of it. Permits need no such list, for
/// one that is narrower than what is asked for grants none of it.
/// </summary>
/// <param name="fromTheEnd">Below a name are those that end with it, as in DNS; otherwise those that begin with it.</param>
internal sealed class ForbiddenNames(bool fromTheEnd)
{
    private readonly Dictionary<string, int> _keys = new(StringComparer.Ordinal);
    private volatile (string Name, int Key)[]? _sorted;

    /// <summary>Not any more once it was searched.</summary>
    public void Add(string name, int key) => _keys.TryAdd(name, key);

    /// <summary>The keys of all names that are longer than the stem and begin, or end, with it.</summary>
    public void FindBelow(scoped ReadOnlySpan<char> stem, ref KeySet found)
    {
        if (_keys.Count == 0) return;
        var names = _sorted ??= Sorted();
        var (first, end) = (0, names.Length);
        while (first < end)
        {
            var middle = (first + end) / 2;
            if (Compare(names[middle].Name, stem) < 0) first = middle + 1;
            else end = middle;
        }

        for (; first < names.Length && IsWithin(names[first].Name, stem) && !found.IsTooSmall; first++)
        {
            if (names[first].Name.Length > stem.Length) found.Add(names[first].Key);
        }
    }

    // Two that do it at once make the same.
    private (string, int)[] Sorted()
    {
        var names = _keys.Select(pair => (pair.Key, pair.Value)).ToArray();
        Array.Sort(names, (left, right) => Compare(left.Key, right.Key));
        return names;
    }

    private bool IsWithin(string name, ReadOnlySpan<char> stem) => fromTheEnd ? name.AsSpan().EndsWith(stem, StringComparison.Ordinal) : name.AsSpan().StartsWith(stem, StringComparison.Ordinal);

    private int Compare(ReadOnlySpan<char> left, ReadOnlySpan<char> right)
    {
        if (!fromTheEnd) return left.SequenceCompareTo(right);
        var shorter = Math.Min(left.Length, right.Length);
        for (var i = 1; i <= shorter; i++)
        {
            if (left[^i] != right[^i]) return left[^i].CompareTo(right[^i]);
        }

        return left.Length.CompareTo(right.Length);
    }
}

/// <summary>The networks that forbids speak of, sorted, as <see cref="ForbiddenNames"/>.</summary>
internal sealed class ForbiddenRanges
{
    private readonly Dictionary<IpRange, int> _keys = [];
    private volatile (IpRange Range, int Key)[]? _sorted;

    public void Add(IpRange range, int key) => _keys.TryAdd(range, key);

    /// <summary>The keys of all ranges that lie in this one and are smaller.</summary>
    public void FindBelow(IpRange range, ref KeySet found)
    {
        if (_keys.Count == 0) return;
        var ranges = _sorted ??= [.. _keys.Select(pair => (pair.Key, pair.Value)).OrderBy(pair => pair.Key.IsV6).ThenBy(pair => pair.Key.Network)];
        var (first, end) = (0, ranges.Length);
        while (first < end)
        {
            var middle = (first + end) / 2;
            if (IsBefore(ranges[middle].Range, range)) first = middle + 1;
            else end = middle;
        }

        for (; first < ranges.Length && range.IsV6 == ranges[first].Range.IsV6 && ranges[first].Range.Network <= LastOf(range) && !found.IsTooSmall; first++)
        {
            if (ranges[first].Range.Length > range.Length) found.Add(ranges[first].Key);
        }
    }

    private static bool IsBefore(IpRange one, IpRange other) => one.IsV6 == other.IsV6 ? one.Network < other.Network : other.IsV6;

    private static UInt128 LastOf(IpRange range)
    {
        var open = (range.IsV6 ? 128 : 32) - range.Length;
        return range.Network | (open == 128 ? UInt128.MaxValue : (UInt128.One << open) - 1);
    }
}
