namespace Identity.Policy.Evaluation;

/// <summary>Numbers the texts of one kind, so that what is asked about is hashed once a decision, whatever the number of rules.</summary>
internal sealed class KeySpace(KeyNumbers numbers)
{
    private readonly Dictionary<string, int> _keys = new(StringComparer.Ordinal);
    private int _longest = -1;

    public int KeyOf(string text)
    {
        if (_keys.TryGetValue(text, out var key)) return key;
        _keys.Add(text, key = numbers.Next());
        _longest = Math.Max(_longest, text.Length);
        return key;
    }

    public void Find(scoped ReadOnlySpan<char> text, ref KeySet found)
    {
        // A stranger's text may be long and have many parts; none of ours is longer than this.
        if (text.Length > _longest) return;
        if (_keys.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(text, out var key)) found.Add(key);
    }

    /// <summary>The text itself, and its beginnings: up to before each separator from an offset on, or with it.</summary>
    public void FindBeginnings(scoped ReadOnlySpan<char> text, int from, char separator, bool withSeparator, ref KeySet found)
    {
        if (_longest < 0) return;
        for (var at = from; at < text.Length && at <= _longest;)
        {
            var next = text[at..].IndexOf(separator);
            if (next < 0) break;
            Find(text[..(at + next + (withSeparator ? 1 : 0))], ref found);
            at += next + 1;
        }

        Find(text, ref found);
    }
}

/// <summary>Hands out numbers, each once.</summary>
internal sealed class KeyNumbers
{
    private int _last;

    public int Next() => ++_last;
}
