using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Identity.Policy;

/// <summary>
/// A DNS name, or every name below one: <c>api.example.com</c>, <c>*.example.com</c> (one label or more in place of the <c>*</c>), <c>*</c>
/// for every name. Lower-case ASCII: international names are written in their <c>xn--</c> form.
/// </summary>
public sealed record DnsPattern
{
    // RFC 1035 §2.3.4, without the root's dot.
    internal const int MaxLength = 253;
    private const int MaxLabelLength = 63;

    private static readonly SearchValues<char> LabelCharacters = SearchValues.Create("abcdefghijklmnopqrstuvwxyz0123456789-_");

    private DnsPattern(string text) => Text = text;

    public string Text { get; }

    public bool IsWildcard => Text.StartsWith('*');

    /// <summary>What names have to end with: <c>.example.com</c> of <c>*.example.com</c>, nothing of <c>*</c>.</summary>
    public ReadOnlySpan<char> Suffix => IsWildcard ? Text.AsSpan(1) : Text;

    public static DnsPattern Parse(string text) =>
        TryParse(text, out var value, out var problem) ? value : throw new FormatException(problem);

    public static bool TryParse(
        string? text, [NotNullWhen(true)] out DnsPattern? value, [NotNullWhen(false)] out string? problem)
    {
        problem = FindProblem(text);
        value = problem is null ? new DnsPattern(text!) : null;
        return value is not null;
    }

    /// <summary>As <see cref="TryParse"/>, of a name as a caller gives it: upper case and the root's dot say nothing in DNS (RFC 4343 §2).</summary>
    public static bool TryParseRequested(
        string? text, [NotNullWhen(true)] out DnsPattern? value, [NotNullWhen(false)] out string? problem) =>
        // Outside ASCII, lower case can turn a letter into another one's look-alike: the Kelvin sign into k.
        text is null || !Ascii.IsValid(text) ? TryParse(text, out value, out problem)
            : TryParse((text is { Length: > 1 } && text.EndsWith('.') ? text[..^1] : text).ToLowerInvariant(), out value, out problem);

    /// <summary>True when every name that the other one means is also meant by this one.</summary>
    public bool Covers(DnsPattern other) => IsWildcard
        ? other.Suffix.EndsWith(Suffix, StringComparison.Ordinal) && (other.IsWildcard || other.Text.Length > Suffix.Length)
        : Text == other.Text;

    /// <summary>True when some name is meant by both: one of two patterns of this kind then covers the other.</summary>
    public bool Overlaps(DnsPattern other) => Covers(other) || other.Covers(this);

    public override string ToString() => Text;

    private static string? FindProblem(ReadOnlySpan<char> text)
    {
        const string Expected = "expected a name such as api.example.com, or every name below one such as *.example.com";
        if (text.IsEmpty) return $"the host name is empty; {Expected}";
        if (text.Length > MaxLength) return $"the host name has {text.Length} characters; at most {MaxLength} are allowed";
        if (text is "*") return null;
        var name = text.StartsWith("*.", StringComparison.Ordinal) ? text[2..] : text;
        var last = ReadOnlySpan<char>.Empty;
        foreach (var range in name.Split('.'))
        {
            last = name[range];
            if (last.Contains('*')) return $"{Quoted.From(text)} has a '*' that does not stand alone at its beginning; {Expected}";
            var bad = last.IndexOfAnyExcept(LabelCharacters);
            if (bad >= 0) return $"the host name {Quoted.From(text)} contains {Quoted.From(last.Slice(bad, 1))}; names are lower-case ASCII, others in their xn-- form";
            if (last.Length is 0 or > MaxLabelLength || last[0] == '-' || last[^1] == '-')
                return $"the host name {Quoted.From(text)} has the label {Quoted.From(last)}, which is empty, too long, or has a '-' at an end; {Expected}";
        }

        // What ends in a number is read as an IPv4 address by many resolvers: 127.1, 0x7f000001 (WHATWG URL, "ends in a number").
        return last.IndexOfAnyExceptInRange('0', '9') < 0 || last.StartsWith("0x", StringComparison.Ordinal)
            ? $"{Quoted.From(text)} ends in a number, which some programs read as an address; write an address as four decimal numbers"
            : null;
    }
}
