using System.Collections.Immutable;
using Identity.Policy.Analysis.Sets;

namespace Identity.Policy.Analysis;

/// <summary>
/// Whom of an inventory changes concern. Whom the permit of a change means is looked up once for all changes about the same subject; what is left of a change for
/// one of these depends only on which of the change's cuts mean it too, so it is computed once for all who are alike in that.
/// </summary>
internal sealed class ImpactFinder(InventoryIndex inventory)
{
    // Of all entries together; what is not decided in time is told of everybody it may concern.
    private readonly WorkBudget _work = new(WorkBudget.OfDifference);
    private readonly List<Found> _found = [];
    private int _entries;

    public static ImmutableArray<PrincipalImpact> Find(ImmutableArray<AuthorityChange> changes, InventoryIndex inventory)
    {
        var finder = new ImpactFinder(inventory);
        foreach (var change in changes)
        {
            if (change.Kind is AuthorityChangeKind.Authority or AuthorityChangeKind.Login) finder.Add(change);
        }

        finder._found.Sort();
        return [.. finder._found.Select(found => new PrincipalImpact(inventory[found.At], found.Change, found.Request, found.Moment))];
    }

    private void Add(AuthorityChange change)
    {
        foreach (var region in change.Regions.Union(change.Login?.Keyed ?? []))
        {
            var (entry, path, number) = (new Entry(change, region, _work), PathOf(region), _entries++);
            foreach (var at in inventory.Alike.SelectMany(alike => MayBeIn(alike, change, path)))
            {
                var caller = inventory.CallerOf(at);
                if (caller.IsIn(region) && entry.IsAbout(caller) && entry.LeftFor(caller) is var (request, moment)) _found.Add(new Found(at, path.Length, number, change, request, moment));
            }
        }
    }

    // What is gained is gained by whom the permit means. A login may change by several clauses of a rule, each for others.
    private static IEnumerable<int> MayBeIn(AlikePrincipals alike, AuthorityChange change, string path) =>
        change.Kind == AuthorityChangeKind.Login ? alike.Below(path)
        : (change.Permit.Subject.Asked & alike.Unknown) != 0 ? []
        : alike.Meant(change.Permit.Subject).Select(one => one.At);

    private static string PathOf(Region region) => (((TreeSet)region[Dimensions.Id]).Within ?? TreePattern.All).Path;

    /// <summary>In the order of the inventory; for each by what is said of more first.</summary>
    private readonly record struct Found(int At, int Depth, int Number, AuthorityChange Change, CapabilityRequest Request, DateTimeOffset Moment) : IComparable<Found>
    {
        public int CompareTo(Found other) => At != other.At ? At.CompareTo(other.At) : Depth != other.Depth ? Depth.CompareTo(other.Depth) : Number.CompareTo(other.Number);
    }

    private sealed class Entry(AuthorityChange change, Region mine, WorkBudget work)
    {
        private readonly Dictionary<string, List<int>> _cutsByPath = Group(change);
        private readonly Dictionary<string, (CapabilityRequest Request, DateTimeOffset At)?> _left = new(StringComparer.Ordinal);

        public bool IsAbout(Caller caller) => change.Login is null || change.RegionsFor(caller).Contains(mine);

        public (CapabilityRequest Request, DateTimeOffset At)? LeftFor(Caller caller)
        {
            // Its regions are what is left.
            if (change.Kind == AuthorityChangeKind.Login) return (change.Login!.RequestOf(caller.Id), AuthorityExample.MomentOf(mine));
            var cuts = new List<int>();
            var byPath = _cutsByPath.GetAlternateLookup<ReadOnlySpan<char>>();
            for (var end = 0; _cutsByPath.Count > 0;)
            {
                if (byPath.TryGetValue(caller.Path.AsSpan(0, end), out var some))
                {
                    foreach (var cut in some)
                    {
                        if (caller.IsIn(change.Cuts[cut])) cuts.Add(cut);
                    }
                }

                if (end == caller.Path.Length) break;
                var next = caller.Path.IndexOf('/', end + 1);
                end = next < 0 ? caller.Path.Length : next;
            }

            var alike = cuts.Count == 0 ? "" : string.Join(',', cuts);
            if (!_left.TryGetValue(alike, out var left)) _left.Add(alike, left = Compute(cuts));
            return left;
        }

        // For one caller only time and capability are left to differ.
        private (CapabilityRequest, DateTimeOffset)? Compute(List<int> cuts)
        {
            var search = new RegionSearch(work);
            var found = search.FindOutside(ForAnyone(mine), cuts.ConvertAll(cut => ForAnyone(change.Cuts[cut])));
            // Cut short: the change itself is known, whether it reaches this caller is not; then it is told.
            var region = found ?? (search.IsExhausted ? mine : null);
            return region is { } some ? (ExampleRequest.In(some), AuthorityExample.MomentOf(some)) : null;
        }

        private static Region ForAnyone(Region region) =>
            new(region.Kind, [.. Dimensions.Anyone.AsSpan()[..Dimensions.Time], .. region.Values[Dimensions.Time..]]);

        private static Dictionary<string, List<int>> Group(AuthorityChange change)
        {
            var groups = new Dictionary<string, List<int>>(StringComparer.Ordinal);
            for (var i = 0; i < change.Cuts.Length; i++)
            {
                var path = (((TreeSet)change.Cuts[i][Dimensions.Id]).Within ?? TreePattern.All).Path;
                if (!groups.TryGetValue(path, out var group)) groups.Add(path, group = []);
                group.Add(i);
            }

            return groups;
        }
    }
}

/// <summary>A principal in the words of the sets.</summary>
internal sealed class Caller(Principal principal)
{
    private readonly string? _digest = principal.Digest?.Text;
    private readonly string? _manifest = principal.Image?.Digest?.Text;
    private readonly string? _host = principal.Host is { } host ? Dimensions.PathOf(host.ToString()) : null;
    private readonly string[] _signers = principal.Signers.IsDefault ? [] : [.. principal.Signers.Select(signer => signer.Text)];

    public bool IsToldByKeys => (principal.Unknown & PrincipalAttributes.NamedSigner) != 0;

    public Spiffe.Net.SpiffeId Id => principal.Id;

    public string Path { get; } = Dimensions.PathOf(principal.Id.ToString());

    public bool IsIn(Region region) =>
        ((TreeSet)region[Dimensions.Id]).Contains(Path)
        && Has(region, Dimensions.Digest, PrincipalAttributes.Digest, _digest)
        && (ReferenceEquals(region[Dimensions.Signers], SignerSet.All)
            || (IsUnknown(PrincipalAttributes.Signer) ? ((SignerSet)region[Dimensions.Signers]).IsUnknown : ((SignerSet)region[Dimensions.Signers]).Contains(_signers)))
        && HasPath(region, Dimensions.Repository, PrincipalAttributes.Image, principal.Image?.Repository)
        && (IsUnknown(PrincipalAttributes.Image) || principal.Image is null
            || (Has(region, Dimensions.Tag, PrincipalAttributes.None, principal.Image.Tag) && Has(region, Dimensions.ManifestDigest, PrincipalAttributes.None, _manifest)))
        && HasPath(region, Dimensions.Host, PrincipalAttributes.Host, _host)
        && Has(region, Dimensions.Namespace, PrincipalAttributes.Namespace, principal.Namespace)
        && Has(region, Dimensions.Lattice, PrincipalAttributes.Lattice, principal.Lattice);

    private bool IsUnknown(PrincipalAttributes attribute) => (principal.Unknown & attribute) != 0;

    private bool Has(Region region, int dimension, PrincipalAttributes attribute, string? text)
    {
        if (ReferenceEquals(region[dimension], Dimensions.Anyone[dimension])) return true;
        var set = (TextSet)region[dimension];
        return IsUnknown(attribute) ? (set.Lacking & Lacking.Unknown) != 0 : text is null ? (set.Lacking & Lacking.Absent) != 0 : set.Contains(text);
    }

    private bool HasPath(Region region, int dimension, PrincipalAttributes attribute, string? path)
    {
        if (ReferenceEquals(region[dimension], Dimensions.Anyone[dimension])) return true;
        var set = (TreeSet)region[dimension];
        return IsUnknown(attribute) ? (set.Lacking & Lacking.Unknown) != 0 : path is null ? (set.Lacking & Lacking.Absent) != 0 : set.Contains(path);
    }
}
