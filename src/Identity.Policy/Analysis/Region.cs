using Identity.Policy.Analysis.Sets;

namespace Identity.Policy.Analysis;

/// <summary>
/// A product of value sets, one for each dimension of an authority: who, from which bytes and host, what exactly, and when. The dimensions
/// of the caller and of time are the same for every kind of capability; those of the capability follow them.
/// </summary>
internal readonly struct Region(RegionKind kind, ValueSet[] values)
{
    public RegionKind Kind => kind;

    public ReadOnlySpan<ValueSet> Values => values;

    public ValueSet this[int dimension] => values[dimension];

    /// <summary>How much work a comparison with it is, at least 1.</summary>
    public int Size
    {
        get
        {
            var size = 1;
            for (var i = 0; i < values.Length; i++) size += values[i].Size - 1;
            return size;
        }
    }

    public Region With(int dimension, ValueSet value)
    {
        var copy = (ValueSet[])values.Clone();
        copy[dimension] = value;
        return new Region(kind, copy);
    }

    public bool Overlaps(Region pattern)
    {
        if (kind != pattern.Kind) return false;
        // Backwards, since rules differ most in what they are about.
        for (var i = values.Length - 1; i >= 0; i--)
        {
            if (ReferenceEquals(values[i], pattern[i]) || IsAll(i, pattern[i]) || IsAll(i, values[i])) continue;
            if (values[i].Intersect(pattern[i]) is null) return false;
        }

        return true;
    }

    /// <summary>Most rules leave most dimensions open, and say so with the same sets.</summary>
    public static bool IsAll(int dimension, ValueSet set) =>
        ReferenceEquals(set, AnythingSet.Instance) || (dimension < Dimensions.Capability && ReferenceEquals(set, Dimensions.Anyone[dimension]));

    public Region? Intersect(Region pattern)
    {
        if (kind != pattern.Kind) return null;
        var shared = new ValueSet[values.Length];
        for (var i = 0; i < values.Length; i++)
        {
            var both = IsAll(i, pattern[i]) ? values[i] : IsAll(i, values[i]) ? pattern[i] : values[i].Intersect(pattern[i]);
            if (both is null) return null;
            shared[i] = both;
        }

        return new Region(kind, shared);
    }
}
