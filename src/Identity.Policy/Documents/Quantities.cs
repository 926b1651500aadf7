using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Spiffe.Net;

namespace Identity.Policy.Documents;

/// <summary>Numbers with a unit, names and moments, each with one spelling.</summary>
internal static class Quantities
{
    private const int MaxNameLength = 128;
    private const int MaxReasonLength = 500;

    private static readonly (string Suffix, long Factor)[] SizeUnits = [("KiB", 1L << 10), ("MiB", 1L << 20), ("GiB", 1L << 30)];

    private static readonly (string Suffix, long Factor)[] TimeUnits = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];

    public delegate bool Parse<T>(string text, T least, T most, out T value, out string? problem);

    /// <param name="example">What might have been written, for who wrote no value at all.</param>
    public static T? Bind<T>(DocumentNode? node, T least, T most, Parse<T> parse, string example, ProblemList problems) where T : struct
    {
        if (node is null) return null;
        var problem = $"expected one value such as {example}, found {node.Describe()}";
        if (node is DocumentNode.Scalar { IsNull: false } scalar && parse(scalar.Text, least, most, out var value, out problem)) return value;
        problems.Add(node, problem!);
        return null;
    }

    /// <summary>Bytes, written as 64KiB, 16MiB, 2GiB.</summary>
    public static bool TryParseSize(string text, long least, long most, out long bytes, out string? problem)
    {
        if (TryParse(text, SizeUnits, out bytes) && bytes >= least && bytes <= most) problem = null;
        else problem = $"{Quoted.From(text)} is not a size; expected a number and KiB, MiB or GiB, such as 16MiB, between {least >> 10}KiB and {most >> 20}MiB";
        return problem is null;
    }

    /// <summary>A span of time, written as 500ms, 5s, 10m, 1h.</summary>
    public static bool TryParseTime(string text, TimeSpan least, TimeSpan most, out TimeSpan time, out string? problem)
    {
        time = TryParse(text, TimeUnits, out var milliseconds) && milliseconds <= most.TotalMilliseconds
            ? TimeSpan.FromMilliseconds(milliseconds) : TimeSpan.Zero;
        problem = time >= least && time > TimeSpan.Zero
            ? null
            : $"{Quoted.From(text)} is not a time; expected a number and ms, s, m or h, such as 5s, between {Show(least)} and {Show(most)}";
        return problem is null;
    }

    public static bool TryParseCount(string text, long least, long most, out long count, out string? problem)
    {
        problem = TryParseDigits(text, out count) && count >= least && count <= most
            ? null
            : $"{Quoted.From(text)} is not a count; expected a whole number between {least} and {most}";
        return problem is null;
    }

    /// <summary>RFC 3339 in UTC and whole seconds: 2026-12-31T23:59:59Z.</summary>
    public static bool TryParseMoment(string text, out DateTimeOffset moment, out string? problem)
    {
        problem = DateTimeOffset.TryParseExact(
            text, "yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out moment)
            ? null
            : $"{Quoted.From(text)} is not a moment; expected UTC as in 2026-12-31T23:59:59Z";
        return problem is null;
    }

    /// <summary>As <see cref="SpiffeId.TryParse"/>, which does not know that it speaks to an author.</summary>
    public static bool TryParseId(string text, [NotNullWhen(true)] out SpiffeId? id, [NotNullWhen(false)] out string? problem)
    {
        if (SpiffeId.TryParse(text, out id, out problem)) return true;
        problem += "; expected one such as spiffe://example.org/shop";
        return false;
    }

    public static bool TryParseName(string text, [NotNullWhen(true)] out string? name, [NotNullWhen(false)] out string? problem)
    {
        name = null;
        foreach (var character in text)
        {
            if (!char.IsAsciiLetterOrDigit(character) && character is not ('-' or '_' or '.'))
            {
                problem = $"{Quoted.From(text)} is not a name; expected letters, digits, '-', '_' and '.'";
                return false;
            }
        }

        problem = text.Length is > 0 and <= MaxNameLength ? null : $"the name has {text.Length} characters; expected 1 to {MaxNameLength}";
        if (problem is null) name = text;
        return problem is null;
    }

    /// <summary>A sentence for people, in one line.</summary>
    public static bool TryParseReason(string text, [NotNullWhen(true)] out string? reason, [NotNullWhen(false)] out string? problem)
    {
        reason = null;
        problem = text.Length is 0 or > MaxReasonLength ? $"the reason has {text.Length} characters; expected a sentence of 1 to {MaxReasonLength}"
            : text.AsSpan().Trim().IsEmpty ? "the reason says nothing; write a sentence, such as: until the old bus is gone"
            : PlainText.HasUnseen(text) ? $"the reason {Quoted.From(text)} has characters that cannot be seen; write one line of plain text" : null;
        if (problem is null) reason = text;
        return problem is null;
    }

    private static bool TryParse(string text, (string Suffix, long Factor)[] units, out long value)
    {
        value = 0;
        var digits = text.AsSpan().IndexOfAnyExceptInRange('0', '9');
        if (digits is <= 0 or > 9 || !TryParseDigits(text.AsSpan(0, digits), out var number)) return false;
        foreach (var (suffix, factor) in units)
        {
            if (!text.AsSpan(digits).SequenceEqual(suffix)) continue;
            value = number * factor;
            return true;
        }

        return false;
    }

    // At most nine digits before a unit (so nothing overflows), fifteen without; no sign, no leading zeros.
    private static bool TryParseDigits(ReadOnlySpan<char> text, out long number)
    {
        number = 0;
        return text.Length is > 0 and <= 15
            && (text.Length == 1 || text[0] != '0')
            && text.IndexOfAnyExceptInRange('0', '9') < 0
            && long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);
    }

    private static string Show(TimeSpan time) =>
        time < TimeSpan.FromSeconds(1) ? $"{time.TotalMilliseconds:0}ms" : time < TimeSpan.FromHours(1) ? $"{time.TotalSeconds:0}s" : $"{time.TotalHours:0}h";
}
