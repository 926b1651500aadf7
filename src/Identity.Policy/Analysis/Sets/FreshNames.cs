namespace Identity.Policy.Analysis.Sets;

/// <summary>Numbered names for examples, the shortest first, fit for every place where a name may stand.</summary>
internal static class FreshNames
{
    private const string Letters = "xyzabcdefghijklmnopqrstuvw";

    public static string Short(int number) => number < Letters.Length ? Letters[number].ToString() : $"x{number - Letters.Length}";

    /// <summary>The first that is not taken.</summary>
    public static string Free(Func<int, string> name, IEnumerable<string> taken)
    {
        var known = taken.ToHashSet(StringComparer.Ordinal);
        for (var number = 0; ; number++)
        {
            if (name(number) is var free && !known.Contains(free)) return free;
        }
    }

    /// <summary>Names that say what they are.</summary>
    public static string Of(string stem, int number) => number == 0 ? stem : $"{stem}{number}";
}
