using Identity.Policy.Analysis.Sets;

namespace Identity.Policy.Analysis;

/// <summary>
/// Is anything left of a region when others are cut out of it, and what, for example? Exact, or no answer: what is asked is as hard as
/// satisfiability, so the work is bounded and running out of it is said, never guessed over.
/// </summary>
/// <param name="budget">Of the whole comparison.</param>
/// <param name="work">Steps that this question alone may take, so that one hard question does not use up all.</param>
internal sealed class RegionSearch(WorkBudget budget, long work = RegionSearch.DefaultWork)
{
    public const long DefaultWork = 1_000_000;

    // Looking at one more part of a set costs a fraction of a comparison.
    private const int PartsOfAStep = 4;

    private static readonly TextSet Unstated = TextSet.None(Lacking.Absent);

    // Deeper than any policy people write; what is deeper could exhaust the stack.
    private const int MaxDepth = 2_000;

    /// <summary>True once an answer was cut short: from then on null means nothing.</summary>
    public bool IsExhausted { get; private set; }

    /// <summary>A region that holds only what is left, or null when the cuts cover everything (or <see cref="IsExhausted"/>).</summary>
    public Region? FindOutside(Region region, IReadOnlyList<Region> cuts)
    {
        if (Find(region, cuts, depth: 0) is not { } found) return null;
        if (Stating(Dimensions.Tag, found) is { } tagged) return tagged;
        if (Stating(Dimensions.ManifestDigest, found) is { } pinned) return pinned;
        // Left are images with a tag and a digest, and no reference is read as that. Those with one of them may be left elsewhere.
        return (Stating(Dimensions.Tag, region) is { } byTag ? Find(byTag, cuts, depth: 0) : null)
            ?? (Stating(Dimensions.ManifestDigest, region) is { } byDigest ? Find(byDigest, cuts, depth: 0) : null);
    }

    // The part of a region whose images state at most the one.
    private static Region? Stating(int dimension, Region region)
    {
        var other = dimension == Dimensions.Tag ? Dimensions.ManifestDigest : Dimensions.Tag;
        return region[other].Intersect(Unstated) is { } none ? region.With(other, none) : null;
    }

    private Region? Find(Region region, IReadOnlyList<Region> cuts, int depth)
    {
        if (depth > MaxDepth) IsExhausted = true;
        while (true)
        {
            var size = 1 + region.Size / PartsOfAStep;
            var others = new List<Region>();
            var single = new List<(Region Cut, int Dimension)>();
            foreach (var cut in cuts)
            {
                if (!TryTake(size)) return null;
                if (!region.Overlaps(cut)) continue;
                var (count, first) = Sticking(region, cut);
                if (count == 0) return null;
                if (count == 1) single.Add((cut, first));
                else others.Add(cut);
            }

            if (single.Count == 0) return others.Count == 0 ? region : Beside(region, others) ?? Split(region, others, depth);
            // Where only one dimension sticks out of a cut, what is left is left there; and so for each of them, since the region only shrinks.
            foreach (var same in single.GroupBy(one => one.Dimension, one => one.Cut[one.Dimension]))
            {
                var patterns = same.ToList();
                if (!TryTake(WorkOf(region[same.Key], patterns.Count))) return null;
                if (region[same.Key].ExceptAll(patterns) is not { } outside) return null;
                region = region.With(same.Key, outside);
            }

            cuts = others;
        }
    }

    /// <summary>What lies outside of all cuts in one and the same dimension, as it mostly does where rules are about different things.</summary>
    private Region? Beside(Region region, List<Region> cuts)
    {
        for (var i = region.Values.Length - 1; i >= 0; i--)
        {
            if (cuts.Exists(cut => Region.IsAll(i, cut[i]))) continue;
            if (!TryTake(WorkOf(region[i], cuts.Count))) return null;
            if (region[i].ExceptAll(cuts.ConvertAll(cut => cut[i])) is { } left) return region.With(i, left);
        }

        return null;
    }

    // What is outside of a product is outside in its first dimension, or inside there and outside in its second, and so on.
    private Region? Split(Region region, List<Region> cuts, int depth)
    {
        var cut = cuts[0];
        for (var i = 0; i < region.Values.Length; i++)
        {
            if (ReferenceEquals(region[i], cut[i]) || Region.IsAll(i, cut[i])) continue;
            if (!TryTake(WorkOf(region[i], 2))) return null;
            if (region[i].Except(cut[i]) is { } outside && Find(region.With(i, outside), cuts, depth + 1) is { } found) return found;
            if (IsExhausted) return null;
            region = region.With(i, region[i].Intersect(cut[i])!);
        }

        return null;
    }

    private static int WorkOf(ValueSet set, int others) => others + set.Size / PartsOfAStep;

    private bool TryTake(long steps)
    {
        work -= steps;
        if (!budget.Take(steps) || work <= 0) IsExhausted = true;
        return !IsExhausted;
    }

    /// <summary>In how many dimensions the region sticks out of a cut that it overlaps; two stand for more.</summary>
    private static (int Count, int First) Sticking(Region region, Region cut)
    {
        var (count, first) = (0, -1);
        for (var i = 0; i < region.Values.Length; i++)
        {
            if (ReferenceEquals(region[i], cut[i]) || Region.IsAll(i, cut[i])) continue;
            // What is open sticks out of whatever is not.
            if (!Region.IsAll(i, region[i]) && region[i].Except(cut[i]) is null) continue;
            if (++count == 1) first = i;
            else return (count, first);
        }

        return (count, first);
    }
}
