using System.Globalization;

namespace Identity.Policy;

/// <summary>Writes values as YAML that this language reads back as the same text.</summary>
internal static class YamlText
{
    /// <summary>Plain where that is safe everywhere, also between braces; quoted otherwise.</summary>
    public static string Of(string text) =>
        IsPlain(text) ? text : $"'{text.Replace("'", "''", StringComparison.Ordinal)}'";

    public static string Of(TimeSpan time) => time.Ticks % TimeSpan.TicksPerHour == 0 ? Count(time.TotalHours, "h")
        : time.Ticks % TimeSpan.TicksPerMinute == 0 ? Count(time.TotalMinutes, "m")
        : time.Ticks % TimeSpan.TicksPerSecond == 0 ? Count(time.TotalSeconds, "s")
        : Count(time.TotalMilliseconds, "ms");

    private static string Count(double number, string unit) => string.Create(CultureInfo.InvariantCulture, $"{number:0}{unit}");

    private static bool IsPlain(string text)
    {
        if (text.Length == 0 || !(char.IsAsciiLetter(text[0]) || text[0] == '/') || text[^1] == ':') return false;
        foreach (var character in text)
        {
            // '[', ']', '{', '}' and ',' end a value between braces, ': ' and ' #' anywhere; a '*' in the middle is only text.
            if (!char.IsAsciiLetterOrDigit(character) && character is not ('-' or '_' or '.' or '/' or '@' or ':' or '*' or '=' or '+')) return false;
        }

        // The words that YAML reads as nothing; true and the like are text to our reader, but not to every other.
        return text.ToUpperInvariant() is not ("NULL" or "TRUE" or "FALSE" or "YES" or "NO" or "ON" or "OFF" or "Y" or "N");
    }
}
