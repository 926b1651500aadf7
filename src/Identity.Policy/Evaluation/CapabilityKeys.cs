namespace Identity.Policy.Evaluation;

/// <summary>
/// Numbers every import pattern of a policy, so that an import is parsed and hashed once a decision, whatever the number of rules.
/// </summary>
internal sealed class CapabilityKeys
{
    public const int Start = 0;

    private readonly Dictionary<string, int> _keys = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _lookup;

    public CapabilityKeys() => _lookup = _keys.GetAlternateLookup<ReadOnlySpan<char>>();

    public int KeyOf(ImportPattern pattern)
    {
        var version = pattern.AnyVersion ? "@*" : pattern.Track is null ? "" : $"@{pattern.Track}";
        var text = $"{pattern.Package}/{pattern.Interface ?? "*"}{version}";
        if (!_keys.TryGetValue(text, out var key)) _keys.Add(text, key = _keys.Count + 1);
        return key;
    }

    /// <summary>
    /// The keys of the patterns that match a valid interface name: the interface or its package, on its track or on any. Returns how
    /// many were written; patterns that no rule uses have no key.
    /// </summary>
    public int Matching(ReadOnlySpan<char> import, int slash, int at, Span<int> keys)
    {
        Span<char> text = stackalloc char[InterfaceName.MaxLength + 2];
        var track = at < 0 ? [] : SemanticVersion.TrackOf(import[(at + 1)..]);
        var written = 0;
        foreach (var name in (ReadOnlySpan<int>)[at < 0 ? import.Length : at, slash + 1])
        {
            import[..name].CopyTo(text);
            var end = name;
            // Only the package's own form ends in its slash.
            if (name == slash + 1) text[end++] = '*';
            var version = end;
            if (at >= 0)
            {
                text[end++] = '@';
                track.CopyTo(text[end..]);
                end += track.Length;
            }

            if (_lookup.TryGetValue(text[..end], out var key)) keys[written++] = key;
            text[version] = '@';
            text[version + 1] = '*';
            if (_lookup.TryGetValue(text[..(version + 2)], out key)) keys[written++] = key;
        }

        return written;
    }
}
