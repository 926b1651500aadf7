using Identity.Policy.Analysis.Sets;

namespace Identity.Policy.Analysis.Logins;

/// <summary>Callers, at some moments, whom the same rules mean as far as it matters, and what their logins gain and lose.</summary>
/// <param name="Inside">Rules that mean all of them.</param>
/// <param name="Outside">Rules that mean none of them, and others besides whom they differ from.</param>
internal sealed record LoginCell(Region Region, IReadOnlyList<Audience> Inside, IReadOnlyList<Audience> Outside, LoginDelta Delta);

/// <summary>
/// Splits the callers of a region by the rules that mean them, as far as that makes a difference. Exact, or no answer: there may be as many cells as there are sets of rules, so the
/// work is bounded and running out of it is said.
/// </summary>
/// <param name="decide">
/// What comes of it where the first rules mean everybody and the second some: null while that depends on whom. When there are none of the second, there is an answer.
/// </param>
/// <param name="isElsewhere">Whose callers are looked at elsewhere.</param>
internal sealed class CellSearch(
    WorkBudget work, Func<IReadOnlyList<Audience>, IReadOnlyList<Audience>, LoginDelta?> decide, Func<Audience, bool> isElsewhere)
{
    // Deeper than any policy people write; what is deeper could exhaust the stack.
    private const int MaxDepth = 500;

    private static readonly TextSet Unstated = TextSet.None(Lacking.Absent);

    private readonly List<LoginCell> _cells = [];

    /// <summary>True once an answer was cut short: then there may be more cells than were found.</summary>
    public bool IsExhausted { get; private set; }

    public IReadOnlyList<LoginCell> Cells => _cells;

    /// <param name="outside">Known to mean nobody of the region.</param>
    /// <param name="open">May mean somebody of the region.</param>
    public void Find(Region region, IReadOnlyList<Audience> outside, IReadOnlyList<Audience> open)
    {
        var found = new List<LoginCell>();
        if (IsSomebody(region)) Keep(region, [], outside, Search(region, [], outside, open, found, depth: 0), found, _cells);
    }

    /// <summary>True when it is plain that nothing comes of it, for all of the region.</summary>
    public bool IsNothing(Region region, IReadOnlyList<Audience> related)
    {
        if (!work.Take(1 + related.Count)) return false;
        var within = related.ToLookup(audience => audience.Regions.Any(part => IsWithin(region, part)));
        return decide([.. within[true]], [.. within[false]]) is { IsNone: true };
    }

    // What comes of it where that is the same for all of the region; else null, and the parts are added to what was found.
    private LoginDelta? Search(Region region, List<Audience> inside, IReadOnlyList<Audience> outside, IReadOnlyList<Audience> undecided, List<LoginCell> found, int depth)
    {
        if (depth > MaxDepth || !work.Take(1 + inside.Count + undecided.Count)) IsExhausted = true;
        if (IsExhausted) return LoginDelta.None;
        var within = new List<Audience>(inside);
        var open = new List<Audience>();
        foreach (var audience in undecided)
        {
            if (!audience.Regions.Any(region.Overlaps)) continue;
            if (!audience.Regions.Any(part => IsWithin(region, part))) open.Add(audience);
            else if (isElsewhere(audience)) return LoginDelta.None;
            else within.Add(audience);
        }

        if (decide(within, open) is { } known) return known;
        var chosen = open[0];
        open.RemoveAt(0);
        var cells = new List<LoginCell>();
        var results = new List<(Region Region, bool IsInside, LoginDelta? Delta, List<LoginCell> Cells)>();
        foreach (var (part, isInside) in Parts(region, chosen))
        {
            if (!IsSomebody(part)) continue;
            var below = new List<LoginCell>();
            var delta = isInside
                ? isElsewhere(chosen) ? LoginDelta.None : Search(part, [.. within, chosen], outside, open, below, depth + 1)
                : Search(part, within, [.. outside, chosen], open, below, depth + 1);
            results.Add((part, isInside, delta, below));
        }

        if (results.Count == 0) return LoginDelta.None;
        if (results[0].Delta is { } first && results.TrueForAll(result => result.Delta?.Key == first.Key)) return first;
        foreach (var (part, isInside, delta, below) in results)
            Keep(part, isInside ? [.. within, chosen] : within, isInside ? outside : [.. outside, chosen], delta, below, found);
        return null;
    }

    private static void Keep(Region region, IReadOnlyList<Audience> inside, IReadOnlyList<Audience> outside, LoginDelta? same, List<LoginCell> parts, List<LoginCell> cells)
    {
        if (same is null) cells.AddRange(parts);
        else if (!same.IsNone) cells.Add(new LoginCell(region, inside, outside, same));
    }

    private static IEnumerable<(Region Region, bool IsInside)> Parts(Region region, Audience audience)
    {
        foreach (var part in audience.Regions)
        {
            if (region.Intersect(part) is { } both) yield return (both, true);
        }

        IEnumerable<Region> left = [region];
        foreach (var part in audience.Regions) left = left.SelectMany(some => Without(some, part));
        foreach (var part in left) yield return (part, false);
    }

    // What is outside of a product is outside in its first dimension, or inside there and outside in its second, and so on.
    private static IEnumerable<Region> Without(Region region, Region cut)
    {
        if (!region.Overlaps(cut))
        {
            yield return region;
            yield break;
        }

        for (var i = 0; i < region.Values.Length; i++)
        {
            if (ReferenceEquals(region[i], cut[i]) || Region.IsAll(i, cut[i])) continue;
            if (region[i].Except(cut[i]) is { } outside) yield return region.With(i, outside);
            region = region.With(i, region[i].Intersect(cut[i])!);
        }
    }

    private static bool IsWithin(Region region, Region pattern)
    {
        for (var i = 0; i < region.Values.Length; i++)
        {
            if (!ReferenceEquals(region[i], pattern[i]) && !Region.IsAll(i, pattern[i]) && region[i].Except(pattern[i]) is not null) return false;
        }

        return true;
    }

    // No reference to an image is read as one with both a tag and a digest.
    private static bool IsSomebody(Region region) =>
        region[Dimensions.Tag].Intersect(Unstated) is not null || region[Dimensions.ManifestDigest].Intersect(Unstated) is not null;
}
