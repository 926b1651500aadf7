namespace Identity.Policy.Analysis.Sets;

/// <summary>
/// Numbered names for examples, the shortest first. Where a name can have few characters only, whether any is free decides between "equal" and
/// "not equal"; so each alphabet is whole, and its words are all there are.
/// </summary>
internal static class FreshNames
{
    private const string LettersAndDigits = "xyzabcdefghijklmnopqrstuvw0123456789";
    private const string Upper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

    /// <summary>Labels of DNS names.</summary>
    public const string OfLabels = LettersAndDigits + "-";

    /// <summary>Path components of repositories.</summary>
    public const string OfRepositories = LettersAndDigits + "-_.";

    /// <summary>Path segments of SPIFFE IDs.</summary>
    public const string OfSpiffeIds = LettersAndDigits + Upper + "-_.";

    /// <summary>Segments of keys and paths: printable ASCII.</summary>
    public const string OfSegments = OfSpiffeIds + "!\"#$%&'()+,:;<=>?@[\\]^`{|}~";

    /// <summary>Tokens of NATS subjects: the same less <c>.</c> and <c>&gt;</c>, and <c>/</c> may stand there.</summary>
    public const string OfTokens = LettersAndDigits + Upper + "-_/!\"#$%&'()+,:;<=?@[\\]^`{|}~";

    /// <summary>The words over an alphabet, numbered from 0.</summary>
    public static string Word(string alphabet, int number)
    {
        var word = "";
        for (var left = number; left >= 0; left = (left / alphabet.Length) - 1) word = alphabet[left % alphabet.Length] + word;
        return word;
    }

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
