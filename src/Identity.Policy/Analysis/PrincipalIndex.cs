namespace Identity.Policy.Analysis;

/// <summary>Principals by what subjects name them by, so that a subject is compared only with few more than it may mean.</summary>
internal sealed class PrincipalIndex
{
    private readonly Principal[] _byId;
    private readonly string[] _ids;
    private readonly Dictionary<PrincipalAttributes, Dictionary<object, List<Principal>>> _byAttribute = [];

    public PrincipalIndex(IEnumerable<Principal> principals)
    {
        _byId = [.. principals];
        _ids = Array.ConvertAll(_byId, principal => principal.Id.ToString());
        Array.Sort(_ids, _byId, StringComparer.Ordinal);
    }

    /// <summary>All whom the subject may mean, and perhaps others, in the order of their IDs. It may ask for nothing that these do not tell.</summary>
    public IEnumerable<Principal> Candidates(PolicySubject subject)
    {
        if (subject.SpiffeId is { } id) return Slice(id.ToString(), LastPlus(id.ToString()));
        if (subject.Digest is { } digest) return Having(PrincipalAttributes.Digest, digest);
        var below = subject.SpiffeIdPrefix is { } prefix ? Below(prefix.Text) : new ArraySegment<Principal>(_byId);
        var fewest = subject.Host is { } host ? Having(PrincipalAttributes.Host, host) : null;
        if (subject.Namespace is { } name && Having(PrincipalAttributes.Namespace, name) is var named && named.Count < (fewest?.Count ?? int.MaxValue)) fewest = named;
        if (subject.Lattice is { } lattice && Having(PrincipalAttributes.Lattice, lattice) is var there && there.Count < (fewest?.Count ?? int.MaxValue)) fewest = there;
        return fewest is not null && fewest.Count < below.Count ? fewest : below;
    }

    // Between an ID and what is below it may stand others, such as those that go on with '-'.
    private ArraySegment<Principal> Below(string prefix) => Slice(prefix, prefix + '0');

    private ArraySegment<Principal> Slice(string from, string to)
    {
        var (first, end) = (PlaceOf(from), PlaceOf(to));
        return new ArraySegment<Principal>(_byId, first, end - first);
    }

    // Of several with one ID the first.
    private int PlaceOf(string id)
    {
        var (low, high) = (0, _ids.Length);
        while (low < high)
        {
            var middle = (low + high) >>> 1;
            if (string.CompareOrdinal(_ids[middle], id) < 0) low = middle + 1;
            else high = middle;
        }

        return low;
    }

    private static string LastPlus(string id) => id + '\0';

    private List<Principal> Having(PrincipalAttributes attribute, object value)
    {
        if (!_byAttribute.TryGetValue(attribute, out var values))
        {
            _byAttribute.Add(attribute, values = []);
            foreach (var principal in _byId)
            {
                if (Value(principal, attribute) is not { } own) continue;
                if (!values.TryGetValue(own, out var same)) values.Add(own, same = []);
                same.Add(principal);
            }
        }

        return values.GetValueOrDefault(value) ?? [];
    }

    private static object? Value(Principal principal, PrincipalAttributes attribute) => attribute switch
    {
        PrincipalAttributes.Digest => principal.Digest,
        PrincipalAttributes.Host => principal.Host,
        PrincipalAttributes.Namespace => principal.Namespace,
        _ => principal.Lattice,
    };
}
