using Identity.Policy.Analysis.Sets;

namespace Identity.Policy.Analysis;

/// <summary>
/// Is anything left of a region when others are cut out of it, and what, for example? Exact, or no answer: what is asked is as hard as
/// satisfiability, so the work is bounded and running out of it is said, never guessed over.
/// </summary>
/// <param name="work">Comparisons of two regions that may still be made; shared by all that one question leads to.</param>
internal sealed class RegionSearch(long work)
{
    /// <summary>Comparisons; in the order of a second of work.</summary>
    public const long DefaultWork = 3_000_000;

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
        var relevant = new List<Region>();
        while (true)
        {
            if (IsExhausted) return null;
            relevant.Clear();
            Region? chosen = null;
            var (fewest, dimension) = (int.MaxValue, -1);
            foreach (var cut in cuts)
            {
                if (work-- <= 0) IsExhausted = true;
                if (IsExhausted) return null;
                if (!region.Overlaps(cut)) continue;
                relevant.Add(cut);
                if (fewest == 1) continue;
                var (count, first) = Sticking(region, cut);
                if (count == 0) return null;
                if (count < fewest) (fewest, dimension, chosen) = (count, first, cut);
            }

            if (chosen is not { } narrowest) return region;
            if (fewest > 1) return Split(region, narrowest, relevant, depth);
            // Only one dimension sticks out of the cut: what is left, is left there.
            if (region[dimension].Except(narrowest[dimension]) is not { } outside) return null;
            region = region.With(dimension, outside);
            cuts = relevant.ToArray();
        }
    }

    // What is outside of a product is outside in its first dimension, or inside there and outside in its second, and so on.
    private Region? Split(Region region, Region cut, List<Region> cuts, int depth)
    {
        var others = cuts.ToArray();
        for (var i = 0; i < region.Values.Length; i++)
        {
            if (ReferenceEquals(region[i], cut[i]) || Region.IsAll(i, cut[i])) continue;
            if (region[i].Except(cut[i]) is { } outside && Find(region.With(i, outside), others, depth + 1) is { } found) return found;
            if (IsExhausted) return null;
            region = region.With(i, region[i].Intersect(cut[i])!);
        }

        return null;
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
