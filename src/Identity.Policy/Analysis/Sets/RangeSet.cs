namespace Identity.Policy.Analysis.Sets;

/// <summary>Numbers in ranges: moments, and small choices. Both ends belong to a range; ranges are sorted and apart.</summary>
internal sealed class RangeSet : ValueSet
{
    private readonly (UInt128 First, UInt128 Last)[] _ranges;

    private RangeSet((UInt128, UInt128)[] ranges) => _ranges = ranges;

    public UInt128 First => _ranges[0].First;

    public IReadOnlyList<(UInt128 First, UInt128 Last)> Ranges => _ranges;

    public static RangeSet Of(UInt128 first, UInt128 last) => new([(first, last)]);

    /// <summary>These numbers; null when there are none.</summary>
    public static RangeSet? OfAll(IEnumerable<int> numbers)
    {
        var ranges = numbers.Order().Select(number => ((UInt128)number, (UInt128)number)).ToArray();
        return ranges.Length > 0 ? new RangeSet(ranges) : null;
    }

    public override int Size => _ranges.Length;

    public override ValueSet? Intersect(ValueSet pattern)
    {
        var found = new List<(UInt128, UInt128)>();
        foreach (var (first, last) in _ranges)
        {
            foreach (var (otherFirst, otherLast) in ((RangeSet)pattern)._ranges)
            {
                var (from, to) = (UInt128.Max(first, otherFirst), UInt128.Min(last, otherLast));
                if (from <= to) found.Add((from, to));
            }
        }

        return found.Count > 0 ? new RangeSet([.. found]) : null;
    }

    public override ValueSet? Except(ValueSet pattern)
    {
        var left = new List<(UInt128 First, UInt128 Last)>(_ranges);
        foreach (var (first, last) in ((RangeSet)pattern)._ranges)
        {
            for (var i = left.Count - 1; i >= 0; i--)
            {
                var (from, to) = left[i];
                if (last < from || to < first) continue;
                left.RemoveAt(i);
                if (last < to) left.Insert(i, (last + 1, to));
                if (from < first) left.Insert(i, (from, first - 1));
            }
        }

        return left.Count > 0 ? new RangeSet([.. left]) : null;
    }
}
