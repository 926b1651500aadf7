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

    // No name before this number is free below the node: what is cut out further takes only more.
    private readonly int _taken;

    private TreeSet(TreeDomain domain, TreePattern? within, TreePattern[] cut, Lacking lacking, int taken = 0) =>
        (_domain, _within, _cut, Lacking, _taken) = (domain, within, cut, lacking, taken);

    public Lacking Lacking { get; }

    public TreePattern? Within => _within;

    public static TreeSet Of(TreeDomain domain, TreePattern pattern, Lacking lacking = Lacking.None) => new(domain, pattern, [], lacking);

    public static TreeSet All(TreeDomain domain, Lacking lacking = Lacking.None) => new(domain, TreePattern.All, [], lacking);

    public static TreeSet None(TreeDomain domain, Lacking lacking) => new(domain, null, [], lacking);

    public override int Size => 1 + _cut.Length;

    public bool IsExact => _within is { Extent: TreeExtent.Exact };

    public override ValueSet? Intersect(ValueSet pattern)
    {
        var other = (TreeSet)pattern;
        var lacking = Lacking & other.Lacking;
        var within = _within is { } mine && other._within is { } theirs ? mine.Intersect(theirs) : null;
        return Given(within, within is null ? [] : _cut, lacking, within == _within ? _taken : 0);
    }

    public override ValueSet? Except(ValueSet pattern) => ExceptAll([pattern]);

    public override ValueSet? ExceptAll(IReadOnlyList<ValueSet> patterns)
    {
        var lacking = Lacking;
        var cut = new HashSet<TreePattern>(_cut);
        var left = _within;
        foreach (var pattern in patterns)
        {
            var other = (TreeSet)pattern;
            lacking &= ~other.Lacking;
            if (left is not { } mine || other._within is not { } theirs || mine.Intersect(theirs) is not { } shared) continue;
            if (shared == mine) left = null;
            else cut.Add(shared);
        }

        return left is null ? Given(null, [], lacking, 0) : Given(left, [.. cut], lacking, _taken);
    }

    public bool Contains(string path) => _within is { } within && within.Means(path) && !Array.Exists(_cut, cut => cut.Means(path));

    /// <summary>A path of the set: below a prefix rather than the prefix itself; null when the set holds only the lack of one.</summary>
    public string? Example() => Find().Path;

    private (string? Path, int Taken) Find()
    {
        if (_within is not { } within) return default;
        var (fresh, taken) = within.Extent == TreeExtent.Exact ? default : FreshBelow(within.Path);
        // Nothing but the node itself may be left.
        return (fresh ?? (within.Extent != TreeExtent.Below && IsFree(within.Path) ? within.Path : null), taken);
    }

    // A segment that no pattern names decides: a pattern that means it means every child of the node.
    private (string? Path, int Taken) FreshBelow(string node)
    {
        HashSet<string>? children = null;
        for (var number = _taken; ; number++)
        {
            var path = _domain.Child(node, number);
            if (path is null) return (null, number);
            // Whoever names all names that come next is looked through once, not once for each.
            if (children is null && number - _taken > 4) children = [.. _cut.Where(cut => TreePattern.IsBelow(cut.Path, node)).Select(cut => ChildOf(node, cut.Path).ToString())];
            var child = ChildOf(node, path);
            if (children?.Contains(child.ToString()) ?? IsCutBelow(node, child)) continue;
            var value = _domain.IsValue(path) ? path : _domain.Child(path, 0);
            return (value is not null && IsFree(value) ? value : null, number);
        }
    }

    private bool IsCutBelow(string node, ReadOnlySpan<char> child)
    {
        foreach (var cut in _cut)
        {
            if (TreePattern.IsBelow(cut.Path, node) && ChildOf(node, cut.Path).SequenceEqual(child)) return true;
        }

        return false;
    }

    /// <summary>The child of a node that a path below the node leads through.</summary>
    private static ReadOnlySpan<char> ChildOf(string node, string path)
    {
        var end = path.IndexOf('/', node.Length == 0 ? 0 : node.Length + 1);
        return end < 0 ? path : path.AsSpan(0, end);
    }

    private bool IsFree(string path) => _domain.IsValue(path) && !Array.Exists(_cut, cut => cut.Means(path));

    private TreeSet? Given(TreePattern? within, TreePattern[] cut, Lacking lacking, int taken)
    {
        if (within is { } node)
        {
            var set = new TreeSet(_domain, within, Array.FindAll(cut, each => each.Intersect(node) is not null), lacking, taken);
            if (set.Find() is { Path: not null } found) return new TreeSet(_domain, within, set._cut, lacking, found.Taken);
        }

        return lacking == Lacking.None ? null : new TreeSet(_domain, null, [], lacking);
    }
}

/// <summary>Which paths there are at all.</summary>
/// <param name="Child">The numbered child of a node, or null when the node can have none (its name would be too long).</param>
/// <param name="IsValue">False for nodes that only lead to values, such as the root.</param>
internal sealed record TreeDomain(Func<string, int, string?> Child, Func<string, bool> IsValue);
