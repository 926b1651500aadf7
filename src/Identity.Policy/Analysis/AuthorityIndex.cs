using Identity.Policy.Analysis.Sets;

namespace Identity.Policy.Analysis;

/// <summary>
/// The regions of one effect of a policy, found by what they are about and whom they mean, so that a comparison looks only at rules that
/// may meet what has changed.
/// </summary>
internal sealed class AuthorityIndex
{
    private readonly Dictionary<(RegionKind Kind, string? Head), Tree> _trees = [];
    private readonly Dictionary<RegionKind, List<Tree>> _ofKind = [];

    private readonly WorkBudget _work;

    public AuthorityIndex(IEnumerable<ClauseRegion> clauses, WorkBudget work)
    {
        _work = work;
        foreach (var clause in clauses)
        {
            var key = (clause.Region.Kind, HeadOf(clause.Region));
            if (!_trees.TryGetValue(key, out var tree))
            {
                _trees.Add(key, tree = new Tree(work));
                if (!_ofKind.TryGetValue(key.Kind, out var trees)) _ofKind.Add(key.Kind, trees = []);
                trees.Add(tree);
            }

            tree.Add(clause);
        }

        foreach (var tree in _trees.Values) tree.Sort();
    }

    /// <summary>Those that have something in common with the region; not all of them once the work is used up.</summary>
    public List<ClauseRegion> Overlapping(Region region)
    {
        var found = new List<ClauseRegion>();
        if (!_work.Take()) return found;
        var id = ((TreeSet)region[Dimensions.Id]).Within ?? TreePattern.All;
        if (HeadOf(region) is { } head)
        {
            if (_trees.TryGetValue((region.Kind, head), out var same)) same.Find(id, region, found);
            if (_trees.TryGetValue((region.Kind, null), out var any)) any.Find(id, region, found);
        }
        else if (_ofKind.TryGetValue(region.Kind, out var trees))
        {
            foreach (var tree in trees) tree.Find(id, region, found);
        }

        return found;
    }

    // The first part of a capability where regions of one kind mostly differ; null when it is not one text.
    private static string? HeadOf(Region region) => region.Values.Length == Dimensions.Capability ? "" : region[Dimensions.Capability] switch
    {
        TextSet texts => texts.Only,
        SubjectSet subjects => subjects.Pattern.TokenAt(0),
        TreeSet tree when tree.Within is { Extent: TreeExtent.Exact } node => node.Path,
        _ => null,
    };

    /// <summary>Regions by the ID they mean: exact ones and prefixes at their node.</summary>
    private sealed class Tree(WorkBudget work)
    {
        private readonly Dictionary<string, List<ClauseRegion>> _nodes = new(StringComparer.Ordinal);
        private string[] _paths = [];

        public void Add(ClauseRegion clause)
        {
            var path = ((TreeSet)clause.Region[Dimensions.Id]).Within?.Path ?? "";
            if (!_nodes.TryGetValue(path, out var node)) _nodes.Add(path, node = []);
            node.Add(clause);
        }

        public void Sort()
        {
            _paths = [.. _nodes.Keys];
            Array.Sort(_paths, StringComparer.Ordinal);
        }

        public void Find(TreePattern id, Region region, List<ClauseRegion> found)
        {
            for (var end = 0; end < id.Path.Length;)
            {
                AddOverlapping(id.Path[..end], region, found);
                var next = id.Path.IndexOf('/', end + 1);
                end = next < 0 ? id.Path.Length : next;
            }

            AddOverlapping(id.Path, region, found);
            if (id.Extent == TreeExtent.Exact) return;
            // "a/b" sorts behind "a/" and before "a0", the character after '/'.
            var below = id.Path.Length == 0 ? "" : id.Path + "/";
            var first = Array.BinarySearch(_paths, below, StringComparer.Ordinal);
            for (var i = first < 0 ? ~first : first; i < _paths.Length && _paths[i].StartsWith(below, StringComparison.Ordinal); i++)
            {
                if (_paths[i].Length > 0) AddOverlapping(_paths[i], region, found);
            }
        }

        private void AddOverlapping(string path, Region region, List<ClauseRegion> found)
        {
            if (!_nodes.TryGetValue(path, out var node)) return;
            foreach (var clause in node)
            {
                if (!work.Take()) return;
                if (region.Overlaps(clause.Region)) found.Add(clause);
            }
        }
    }
}
