namespace Identity.Policy.Analysis.Sets;

/// <summary>
/// The values that one dimension of an authority may take: a pattern less the patterns cut out of it. Exact: an empty set is null, never
/// an instance, so whoever holds one can have an example of it.
/// </summary>
internal abstract class ValueSet
{
    /// <summary>Of how many parts it is made, at least 1: the work of asking it something.</summary>
    public virtual int Size => 1;

    /// <summary>What both have; null when that is nothing. Both are of the same dimension.</summary>
    /// <param name="pattern">A set from which nothing was cut.</param>
    public abstract ValueSet? Intersect(ValueSet pattern);

    /// <summary>What is left without the pattern; null when that is nothing.</summary>
    /// <param name="pattern">A set from which nothing was cut.</param>
    public abstract ValueSet? Except(ValueSet pattern);

    /// <summary>What is left without any of the patterns. Many at once may cost far less than one after the other.</summary>
    public virtual ValueSet? ExceptAll(IReadOnlyList<ValueSet> patterns)
    {
        var left = this;
        for (var i = 0; i < patterns.Count && left is not null; i++) left = left.Except(patterns[i]);
        return left;
    }
}

/// <summary>What an attribute can be besides a value.</summary>
[Flags]
internal enum Lacking
{
    None = 0,

    /// <summary>Known to have none.</summary>
    Absent = 1,

    /// <summary>Whoever asks cannot tell.</summary>
    Unknown = 2,
}
