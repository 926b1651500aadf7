namespace Identity.Policy.Documents;

/// <summary>Finds what somebody probably meant to write.</summary>
internal static class NearestWord
{
    private const int MaxLength = 40;

    /// <summary>The known word with the fewest typing errors, or null when none is near enough to be meant.</summary>
    public static string? Of(string word, IEnumerable<string> known)
    {
        if (word.Length > MaxLength) return null;
        string? nearest = null;
        var fewest = Math.Max(1, word.Length / 3) + 1;
        foreach (var candidate in known)
        {
            var distance = Distance(word.ToUpperInvariant(), candidate.ToUpperInvariant());
            if (distance >= fewest) continue;
            fewest = distance;
            nearest = candidate;
        }

        return nearest;
    }

    // Optimal string alignment: insertions, deletions, substitutions and swapped neighbours cost one each.
    private static int Distance(string left, string right)
    {
        var previous = new int[right.Length + 1];
        var current = Enumerable.Range(0, right.Length + 1).ToArray();
        var next = new int[right.Length + 1];
        for (var i = 1; i <= left.Length; i++)
        {
            next[0] = i;
            for (var j = 1; j <= right.Length; j++)
            {
                var same = left[i - 1] == right[j - 1];
                next[j] = Math.Min(Math.Min(next[j - 1], current[j]) + 1, current[j - 1] + (same ? 0 : 1));
                if (i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1])
                    next[j] = Math.Min(next[j], previous[j - 2] + 1);
            }

            (previous, current, next) = (current, next, previous);
        }

        return current[right.Length];
    }
}
