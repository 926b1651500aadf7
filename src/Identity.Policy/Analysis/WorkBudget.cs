namespace Identity.Policy.Analysis;

/// <summary>
/// The work that one comparison of policies may cost, in steps: about one comparison of two small sets each. It is shared by all that the
/// comparison leads to; what is asked once it is used up is undecided, never guessed.
/// </summary>
internal sealed class WorkBudget(long steps)
{
    /// <summary>Steps; in the order of seconds of work.</summary>
    public const long OfDifference = 2_000_000;

    /// <summary>Steps taken so far; beyond what was given by one step at most, however large.</summary>
    public long Used { get; private set; }

    public bool IsExhausted => Used >= steps;

    /// <summary>False when nothing is left.</summary>
    public bool Take(long count = 1)
    {
        if (!IsExhausted) Used += count;
        return !IsExhausted;
    }
}
