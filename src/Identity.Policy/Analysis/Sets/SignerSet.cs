namespace Identity.Policy.Analysis.Sets;

/// <summary>
/// Sets of signers: an artifact may carry several signatures, so a pattern says who must be among them and a cut who must not. Kept as
/// alternatives, each with the names that are in and the names that are out.
/// </summary>
internal sealed class SignerSet : ValueSet
{
    private readonly (string[] In, string[] Out)[] _known;

    private SignerSet((string[], string[])[] known, bool unknown) => (_known, IsUnknown) = (known, unknown);

    public static SignerSet All { get; } = new([([], [])], unknown: true);

    /// <summary>Whether "cannot tell" belongs to the set.</summary>
    public bool IsUnknown { get; }

    public bool HasKnown => _known.Length > 0;

    /// <summary>An artifact's signers; meaningful when <see cref="HasKnown"/>.</summary>
    public string[] Example => _known[0].In;

    public static SignerSet Including(string[] names, bool orUnknown) => new([(names, [])], orUnknown);

    public bool Contains(IReadOnlyCollection<string> signers) =>
        Array.Exists(_known, known => Array.TrueForAll(known.In, signers.Contains) && !Array.Exists(known.Out, signers.Contains));

    public override int Size => 1 + _known.Sum(known => known.In.Length + known.Out.Length);

    public override ValueSet? Intersect(ValueSet pattern)
    {
        var other = (SignerSet)pattern;
        var known = from mine in _known
                    from theirs in other._known
                    let names = mine.In.Union(theirs.In, StringComparer.Ordinal).ToArray()
                    let not = mine.Out.Union(theirs.Out, StringComparer.Ordinal).ToArray()
                    where !names.Intersect(not, StringComparer.Ordinal).Any()
                    select (names, not);
        return Given([.. known], IsUnknown && other.IsUnknown);
    }

    public override ValueSet? Except(ValueSet pattern)
    {
        var other = (SignerSet)pattern;
        var left = _known.ToList();
        foreach (var (names, _) in other._known)
        {
            var next = new List<(string[] In, string[] Out)>();
            foreach (var alternative in left)
            {
                // Not all of the names: the first is missing, or the first is there and the second is missing, …
                var present = alternative.In;
                foreach (var name in names)
                {
                    if (!present.Contains(name, StringComparer.Ordinal))
                        next.Add((present, [.. alternative.Out.Union([name], StringComparer.Ordinal)]));
                    if (alternative.Out.Contains(name, StringComparer.Ordinal)) break;
                    present = [.. present.Union([name], StringComparer.Ordinal)];
                }
            }

            left = next;
        }

        return Given([.. left], IsUnknown && !other.IsUnknown);
    }

    private static SignerSet? Given((string[], string[])[] known, bool unknown) => known.Length > 0 || unknown ? new SignerSet(known, unknown) : null;
}
