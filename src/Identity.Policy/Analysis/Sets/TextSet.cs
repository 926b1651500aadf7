namespace Identity.Policy.Analysis.Sets;

/// <summary>Texts that are compared whole: these, or all but these; and whether the attribute may be lacking.</summary>
internal sealed class TextSet : ValueSet
{
    private readonly bool _allBut;
    private readonly string[] _texts;

    private TextSet(bool allBut, string[] texts, Lacking lacking) => (_allBut, _texts, Lacking) = (allBut, texts, lacking);

    public Lacking Lacking { get; }

    /// <summary>The one text, when there is just one.</summary>
    public string? Only => !_allBut && _texts.Length == 1 ? _texts[0] : null;

    public override int Size => Math.Max(1, _texts.Length);

    public bool HasText => _allBut || _texts.Length > 0;

    public static TextSet Of(string text, Lacking lacking = Lacking.None) => new(allBut: false, [text], lacking);

    public static TextSet None(Lacking lacking) => new(allBut: false, [], lacking);

    public static TextSet All(Lacking lacking = Lacking.None) => new(allBut: true, [], lacking);

    public override ValueSet? Intersect(ValueSet pattern)
    {
        var other = (TextSet)pattern;
        var lacking = Lacking & other.Lacking;
        return (_allBut, other._allBut) switch
        {
            (true, true) => new TextSet(true, [.. _texts.Union(other._texts, StringComparer.Ordinal)], lacking),
            (true, false) => Given(Without(other._texts, _texts), lacking),
            (false, true) => Given(Without(_texts, other._texts), lacking),
            _ => Given([.. _texts.Intersect(other._texts, StringComparer.Ordinal)], lacking),
        };
    }

    public override ValueSet? Except(ValueSet pattern)
    {
        var other = (TextSet)pattern;
        return Intersect(new TextSet(!other._allBut, other._texts, ~other.Lacking & (Lacking.Absent | Lacking.Unknown)));
    }

    public override ValueSet? ExceptAll(IReadOnlyList<ValueSet> patterns)
    {
        var named = patterns.Cast<TextSet>().Where(pattern => !pattern._allBut).ToList();
        var all = new TextSet(false, [.. named.SelectMany(pattern => pattern._texts).Distinct(StringComparer.Ordinal)], named.Aggregate(Lacking.None, (lacking, pattern) => lacking | pattern.Lacking));
        return Except(all) is { } left ? patterns.Where(pattern => ((TextSet)pattern)._allBut).Aggregate((ValueSet?)left, (some, pattern) => some?.Except(pattern)) : null;
    }

    public bool Contains(string text) => _texts.Contains(text, StringComparer.Ordinal) != _allBut;

    /// <summary>A value of the set that says the least: a text that is named, else none, else one that nobody names, else what cannot be told.</summary>
    /// <param name="fresh">Numbered texts, none of them twice.</param>
    public (string? Text, Lacking Lacking) Example(Func<int, string> fresh)
    {
        if (!_allBut && _texts.Length > 0) return (_texts[0], Lacking.None);
        if ((Lacking & Lacking.Absent) != 0) return (null, Lacking.Absent);
        return _allBut ? (FreshNames.Free(fresh, _texts), Lacking.None) : (null, Lacking.Unknown);
    }

    private static string[] Without(string[] texts, string[] others) => [.. texts.Except(others, StringComparer.Ordinal)];

    private static TextSet? Given(string[] texts, Lacking lacking) => texts.Length > 0 || lacking != 0 ? new TextSet(false, texts, lacking) : null;
}
