namespace Identity.Policy.Analysis.Sets;

/// <summary>Whatever the dimension holds: a cut that says nothing about it. Told by reference (<see cref="Region.IsAll"/>) and never a value of a region.</summary>
internal sealed class AnythingSet : ValueSet
{
    private AnythingSet() { }

    public static AnythingSet Instance { get; } = new();

    public override ValueSet? Intersect(ValueSet pattern) => pattern;

    public override ValueSet? Except(ValueSet pattern) => throw new InvalidOperationException("nothing is cut out of what is not known");
}
