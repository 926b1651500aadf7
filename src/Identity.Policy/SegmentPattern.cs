using System.Diagnostics.CodeAnalysis;

namespace Identity.Policy;

/// <summary>
/// A name of segments joined by <c>/</c>, such as a configuration key or a path, or everything below one: <c>db/host</c>, <c>db/*</c>. A
/// <c>*</c> stands alone and last, for one or more whole segments; so <c>db/*</c> means neither <c>db</c> nor <c>db2/host</c>.
/// </summary>
public sealed record SegmentPattern
{
    public const int MaxLength = 1_024;

    private SegmentPattern(string text) => Text = text;

    public string Text { get; }

    /// <summary>True when it means everything below <see cref="Stem"/>.</summary>
    public bool IsPrefix => Text.EndsWith('*');

    /// <summary>The text without its <c>*</c>: <c>db/</c> of <c>db/*</c>, empty for <c>*</c>.</summary>
    public ReadOnlySpan<char> Stem => IsPrefix ? Text.AsSpan(0, Text.Length - 1) : Text;

    /// <summary>The name of a configuration key or secret.</summary>
    public static bool TryParseName(
        string? text, [NotNullWhen(true)] out SegmentPattern? value, [NotNullWhen(false)] out string? problem)
    {
        problem = FindProblem(text, text, "a name such as db/host, or everything below one such as db/*");
        value = problem is null ? new SegmentPattern(text!) : null;
        return value is not null;
    }

    /// <summary>An absolute path of a host, in the one spelling without <c>.</c>, <c>..</c> and double slashes.</summary>
    public static bool TryParsePath(
        string? text, [NotNullWhen(true)] out SegmentPattern? value, [NotNullWhen(false)] out string? problem)
    {
        const string Expected = "an absolute path such as /var/data, or everything below one such as /var/data/*";
        problem = text is "/" ? null
            : text is null || !text.StartsWith('/') ? $"{Quoted.From(text)} does not begin with '/'; expected {Expected}"
            : FindProblem(text, text.AsSpan(1), Expected);
        value = problem is null ? new SegmentPattern(text!) : null;
        return value is not null;
    }

    public static SegmentPattern ParseName(string text) =>
        TryParseName(text, out var value, out var problem) ? value : throw new FormatException(problem);

    public static SegmentPattern ParsePath(string text) =>
        TryParsePath(text, out var value, out var problem) ? value : throw new FormatException(problem);

    /// <summary>True when everything that the other one means is also meant by this one.</summary>
    public bool Covers(SegmentPattern other)
    {
        if (!IsPrefix) return Text == other.Text;
        // "db/" of "db/*" is nothing below itself, and "/" is a path that "/*" does not mean.
        return other.Text.AsSpan().StartsWith(Stem, StringComparison.Ordinal) && (other.IsPrefix || other.Text.Length > Stem.Length);
    }

    /// <summary>True when something is meant by both: one of two patterns of this kind then covers the other.</summary>
    public bool Overlaps(SegmentPattern other) => Covers(other) || other.Covers(this);

    public override string ToString() => Text;

    private static string? FindProblem(ReadOnlySpan<char> text, ReadOnlySpan<char> segments, string expected)
    {
        if (text.Length > MaxLength) return $"the name has {text.Length} characters; at most {MaxLength} are allowed";
        if (segments.IsEmpty) return $"the name is empty; expected {expected}";
        var bad = text.IndexOfAnyExceptInRange('!', '~');
        if (bad >= 0) return $"{Quoted.From(text)} contains {Quoted.From(text.Slice(bad, 1))}; only printable ASCII without spaces is allowed";
        foreach (var range in segments.Split('/'))
        {
            var segment = segments[range];
            if (segment.IsEmpty) return $"{Quoted.From(text)} has an empty segment; expected {expected}";
            if (segment is "." or "..") return $"{Quoted.From(text)} has the segment {Quoted.From(segment)}; write the name without it";
            if (segment.Contains('*') && (segment.Length > 1 || range.End.GetOffset(segments.Length) != segments.Length))
                return $"{Quoted.From(text)} has a '*' that does not stand alone at its end; expected {expected}";
        }

        return null;
    }
}
