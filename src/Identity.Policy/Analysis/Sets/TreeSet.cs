namespace Identity.Policy.Analysis.Sets;

/// <summary>How much of a tree a pattern means.</summary>
internal enum TreeExtent
{
    Exact = 0,

    /// <summary>The node and all below it.</summary>
    AndBelow,

    /// <summary>What is below the node, without the node.</summary>
    Below,
}

/// <summary>A node by its segments, joined by '/', and how much of what hangs below it. The root is the empty path.</summary>
internal readonly record struct TreePattern(string Path, TreeExtent Extent)
{
    public static TreePattern All { get; } = new("", TreeExtent.AndBelow);

    public bool Means(string path) => path == Path
        ? Extent != TreeExtent.Below
        : Extent != TreeExtent.Exact && IsBelow(path, Path);

    /// <summary>What both mean. Two patterns of a tree are nested or apart; only at the same node do they share a part.</summary>
    public TreePattern? Intersect(TreePattern other)
    {
        if (Path == other.Path)
        {
            if (Extent == other.Extent || other.Extent == TreeExtent.AndBelow) return this;
            return Extent == TreeExtent.AndBelow ? other : null;
        }

        if (Extent != TreeExtent.Exact && IsBelow(other.Path, Path)) return other;
        return other.Extent != TreeExtent.Exact && IsBelow(Path, other.Path) ? this : null;
    }

    public static bool IsBelow(string path, string ancestor) =>
        ancestor.Length == 0 ? path.Length > 0 : path.Length > ancestor.Length && path[ancestor.Length] == '/' && path.StartsWith(ancestor, StringComparison.Ordinal);
}

/// <summary>Paths of a tree (SPIFFE IDs, host names from the right, names of secrets): one pattern less others, and whether the attribute may be lacking.</summary>
internal sealed class TreeSet : ValueSet
{
    private readonly TreePattern? _within;
    private readonly TreePattern[] _cut;
    private readonly TreeDomain _domain;

    private TreeSet(TreeDomain domain, TreePattern? within, TreePattern[] cut, Lacking lacking) =>
        (_domain, _within, _cut, Lacking) = (domain, within, cut, lacking);

    public Lacking Lacking { get; }

    public TreePattern? Within => _within;

    public static TreeSet Of(TreeDomain domain, TreePattern pattern, Lacking lacking = Lacking.None) => new(domain, pattern, [], lacking);

    public static TreeSet All(TreeDomain domain, Lacking lacking = Lacking.None) => new(domain, TreePattern.All, [], lacking);

    public static TreeSet None(TreeDomain domain, Lacking lacking) => new(domain, null, [], lacking);

    public bool IsExact => _within is { Extent: TreeExtent.Exact };

    public override ValueSet? Intersect(ValueSet pattern)
    {
        var other = (TreeSet)pattern;
        var lacking = Lacking & other.Lacking;
        var within = _within is { } mine && other._within is { } theirs ? mine.Intersect(theirs) : null;
        return Given(within, within is null ? [] : _cut, lacking);
    }

    public override ValueSet? Except(ValueSet pattern)
    {
        var other = (TreeSet)pattern;
        var lacking = Lacking & ~other.Lacking;
        if (_within is not { } mine || other._within is not { } theirs || mine.Intersect(theirs) is not { } shared) return Given(_within, _cut, lacking);
        return shared == mine ? Given(null, [], lacking) : Given(_within, [.. _cut.Where(cut => shared.Intersect(cut) != cut), shared], lacking);
    }

    public bool Contains(string path) => _within is { } within && within.Means(path) && !Array.Exists(_cut, cut => cut.Means(path));

    /// <summary>A path of the set: below a prefix rather than the prefix itself; null when the set holds only the lack of one.</summary>
    public string? Example()
    {
        if (_within is not { } within) return null;
        if (within.Extent != TreeExtent.Exact && FreshBelow(within.Path) is { } fresh) return fresh;
        // Nothing but the node itself is left.
        return within.Extent != TreeExtent.Below && IsFree(within.Path) ? within.Path : null;
    }

    // A segment that no pattern names decides: a pattern that means it means every child of the node.
    private string? FreshBelow(string node)
    {
        for (var number = 0; ; number++)
        {
            var path = _domain.Child(node, number);
            if (path is null) return null;
            if (Array.Exists(_cut, cut => cut.Path.Length > node.Length && (cut.Path == path || TreePattern.IsBelow(cut.Path, path) || TreePattern.IsBelow(path, cut.Path)))) continue;
            var value = _domain.IsValue(path) ? path : _domain.Child(path, 0);
            return value is not null && IsFree(value) ? value : null;
        }
    }

    private bool IsFree(string path) => _domain.IsValue(path) && !Array.Exists(_cut, cut => cut.Means(path));

    private TreeSet? Given(TreePattern? within, TreePattern[] cut, Lacking lacking)
    {
        var set = new TreeSet(_domain, within, within is { } base_ ? Array.FindAll(cut, each => each.Intersect(base_) is not null) : [], lacking);
        if (within is not null && set.Example() is null) set = new TreeSet(_domain, null, [], lacking);
        return set._within is null && lacking == Lacking.None ? null : set;
    }
}

/// <summary>Which paths there are at all.</summary>
/// <param name="Child">The numbered child of a node, or null when the node can have none (its name would be too long).</param>
/// <param name="IsValue">False for nodes that only lead to values, such as the root.</param>
internal sealed record TreeDomain(Func<string, int, string?> Child, Func<string, bool> IsValue);
