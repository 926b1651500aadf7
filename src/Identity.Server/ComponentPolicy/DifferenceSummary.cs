namespace Identity.Server.ComponentPolicy;

/// <summary>What is asked of a comparison of two policies, without the policies: small enough to be kept.</summary>
/// <param name="Fingerprint">SHA-256, see <see cref="AuthorityDifference.Fingerprint"/>.</param>
/// <param name="HoldsUntil">When the next rule of either policy expires: from then on another comparison may come out.</param>
internal sealed record DifferenceSummary(
    bool Widens, bool LiftsForbids, ReadOnlyMemory<byte> Fingerprint, DifferenceLines Gained, DifferenceLines Lost, DateTimeOffset HoldsUntil)
{
    /// <summary>See <see cref="AuthorityDifference.LiftedFrom"/>.</summary>
    public required IReadOnlyList<string> LiftedFrom { get; init; }

    /// <summary>See <see cref="AuthorityDifference.Moved"/>.</summary>
    public required IReadOnlyList<MovedForbids> Moved { get; init; }

    public static DifferenceSummary Of(AuthorityDifference difference, DateTimeOffset holdsUntil) => new(
        difference.Widens, difference.LiftsForbids, difference.Fingerprint(), DifferenceLines.Of(difference.Gained), DifferenceLines.Of(difference.Lost), holdsUntil)
    {
        LiftedFrom = [.. difference.LiftedFrom],
        Moved = [.. difference.Moved()],
    };
}

/// <summary>Forbids that one policy said and does not say any more, and the policies that still do.</summary>
internal sealed record MovedForbids(string From, IReadOnlyList<string> StillIn);

/// <summary>The first of so many lines.</summary>
/// <param name="Count">Of all of them.</param>
internal sealed record DifferenceLines(IReadOnlyList<string> First, int Count)
{
    /// <summary>How many lines are kept of each side.</summary>
    public const int MaxKept = 1000;

    public static DifferenceLines Of(IEnumerable<string> lines)
    {
        var (first, count) = (new List<string>(), 0);
        foreach (var line in lines)
        {
            if (count++ < MaxKept) first.Add(line);
        }

        return new(first, count);
    }

    /// <summary>At most so many, and how many more there are: who reads them must know that there is more than they see.</summary>
    public IEnumerable<string> Shown(int most) => Count <= most
        ? First
        : First.Take(most).Append($"… and {Count - most} more: compare the documents with `identity policy diff`");
}
