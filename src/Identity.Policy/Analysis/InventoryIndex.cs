namespace Identity.Policy.Analysis;

/// <summary>
/// An inventory by what subjects name its members by. A subject is compared once with few more than it may mean, however many changes are about it, and however
/// much is asked. For one thread.
/// </summary>
public sealed class InventoryIndex
{
    private readonly IReadOnlyList<Principal> _inventory;
    private readonly Caller?[] _callers;

    public InventoryIndex(IReadOnlyList<Principal> inventory) => (_inventory, _callers) = (inventory, new Caller?[inventory.Count]);

    /// <summary>Those of whom the same is not told, together.</summary>
    internal IReadOnlyList<AlikePrincipals> Alike =>
        field ??= [.. Enumerable.Range(0, _inventory.Count).GroupBy(at => _inventory[at].Unknown).Select(same => new AlikePrincipals(_inventory, same.Key, [.. same]))];

    internal Principal this[int at] => _inventory[at];

    internal Caller CallerOf(int at) => _callers[at] ??= new Caller(_inventory[at]);
}

/// <summary>Members of an inventory of whom the same is not told: what a subject asks for of that makes no difference among them.</summary>
/// <param name="members">Where they stand in the inventory.</param>
internal sealed class AlikePrincipals(IReadOnlyList<Principal> inventory, PrincipalAttributes unknown, int[] members)
{
    private readonly Dictionary<PolicySubject, List<(int At, PrincipalAttributes Untold)>> _meant = [];
    private readonly Dictionary<PrincipalAttributes, Dictionary<string, List<int>>> _byAttribute = [];

    public PrincipalAttributes Unknown => unknown;

    /// <summary>Whom a subject may mean, and what that depends on of what is told in part.</summary>
    /// <param name="told">Asks for nothing that is not told of any of them (<see cref="PolicySubject.Without"/>).</param>
    public IReadOnlyList<(int At, PrincipalAttributes Untold)> Meant(PolicySubject told)
    {
        if (_meant.TryGetValue(told, out var meant)) return meant;
        _meant.Add(told, meant = []);
        foreach (var at in Candidates(told))
        {
            if (told.MayMean(inventory[at], out var untold)) meant.Add((at, untold));
        }

        return meant;
    }

    /// <summary>Those that a clause means: a permit for certain, a forbid perhaps.</summary>
    public IEnumerable<int> MeantBy(PolicyClause clause)
    {
        var isPermit = clause.Effect == RuleEffect.Permit;
        if (isPermit && (clause.Subject.Asked & unknown) != 0) return [];
        var meant = Meant(clause.Subject.Without(unknown));
        return meant.Where(one => !isPermit || one.Untold == 0).Select(one => one.At);
    }

    /// <summary>Those at or below a path of SPIFFE IDs; all when it is empty.</summary>
    public IReadOnlyList<int> Below(string path) => path.Length == 0 ? members : Having(PrincipalAttributes.None, path);

    // The fewest that one of its attributes leaves.
    private IReadOnlyList<int> Candidates(PolicySubject subject)
    {
        IReadOnlyList<int> fewest = members;
        Narrow(PrincipalAttributes.None, (subject.SpiffeId?.ToString() ?? subject.SpiffeIdPrefix?.Text) is { } id ? Dimensions.PathOf(id) : null);
        Narrow(PrincipalAttributes.Digest, subject.Digest?.Text);
        // Of names that are no keys nothing may be told.
        Narrow(PrincipalAttributes.Signer, subject.Signer is { IsKey: true } key ? key.Text : null);
        Narrow(PrincipalAttributes.Image, subject.Image?.Repository ?? subject.ImagePrefix?.Text);
        Narrow(PrincipalAttributes.Host, (subject.Host?.ToString() ?? subject.HostPrefix?.Text) is { } host ? Dimensions.PathOf(host) : null);
        Narrow(PrincipalAttributes.Namespace, subject.Namespace);
        Narrow(PrincipalAttributes.Lattice, subject.Lattice);
        return fewest;

        void Narrow(PrincipalAttributes attribute, string? text)
        {
            if (text is not null && Having(attribute, text) is var having && having.Count < fewest.Count) fewest = having;
        }
    }

    /// <param name="attribute">None is the SPIFFE ID.</param>
    private List<int> Having(PrincipalAttributes attribute, string text)
    {
        if (!_byAttribute.TryGetValue(attribute, out var values))
        {
            _byAttribute.Add(attribute, values = new(StringComparer.Ordinal));
            var lookup = values.GetAlternateLookup<ReadOnlySpan<char>>();
            foreach (var at in members) Put(lookup, attribute, at);
        }

        return values.TryGetValue(text, out var having) ? having : [];
    }

    private void Put(Dictionary<string, List<int>>.AlternateLookup<ReadOnlySpan<char>> values, PrincipalAttributes attribute, int at)
    {
        var principal = inventory[at];
        switch (attribute)
        {
            case PrincipalAttributes.None: Path(Dimensions.PathOf(principal.Id.ToString())); break;
            case PrincipalAttributes.Image when principal.Image is { } image: Path(image.Repository); break;
            case PrincipalAttributes.Host when principal.Host is { } host: Path(Dimensions.PathOf(host.ToString())); break;
            case PrincipalAttributes.Digest when principal.Digest is { } digest: Add(digest.Text); break;
            case PrincipalAttributes.Namespace when principal.Namespace is { } name: Add(name); break;
            case PrincipalAttributes.Lattice when principal.Lattice is { } lattice: Add(lattice); break;
            case PrincipalAttributes.Signer when !principal.Signers.IsDefault:
                foreach (var signer in principal.Signers.Distinct()) Add(signer.Text);
                break;
            default: break;
        }

        // Each node of the path has what is at it and below it.
        void Path(ReadOnlySpan<char> path)
        {
            for (var end = 0; end < path.Length;)
            {
                var next = path[(end + 1)..].IndexOf('/');
                end = next < 0 ? path.Length : end + 1 + next;
                Add(path[..end]);
            }
        }

        void Add(ReadOnlySpan<char> text)
        {
            if (!values.TryGetValue(text, out var having)) values[text] = having = [];
            having.Add(at);
        }
    }
}
