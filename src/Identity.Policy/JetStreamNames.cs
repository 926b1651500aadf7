using System.Diagnostics.CodeAnalysis;

namespace Identity.Policy;

/// <summary>The names of streams, consumers, key-value buckets and queue groups: one token of a NATS subject each, so that none escapes its place in one.</summary>
internal static class JetStreamNames
{
    private const int MaxLength = 128;

    /// <summary>A stream or a consumer (NATS ADR-6: no white space, '.', '*', '&gt;', path separators or non-printable characters).</summary>
    public static string? FindProblem(ReadOnlySpan<char> name, string what)
    {
        if (name.Length is 0 or > MaxLength) return $"the name of the {what} has {name.Length} characters; expected 1 to {MaxLength}";
        foreach (var character in name)
        {
            if (!char.IsAsciiLetterOrDigit(character) && character is not ('-' or '_'))
                return $"{Quoted.From(name)} is not the name of a {what}; expected letters, digits, '-' and '_'";
        }

        return null;
    }

    /// <summary>Keys are named as NATS names them (ADR-8): letters, digits and -/_=. in tokens; patterns also have '*' and '&gt;'.</summary>
    public static bool TryParseKeys(string? text, [NotNullWhen(true)] out NatsSubject? keys, [NotNullWhen(false)] out string? problem)
    {
        if (!NatsSubject.TryParse(text, out keys, out problem))
        {
            problem = $"{Quoted.From(text)} names no keys; expected tokens joined by '.', such as app.theme or app.>";
            return false;
        }

        foreach (var character in keys.Text)
        {
            if (char.IsAsciiLetterOrDigit(character) || character is '-' or '/' or '_' or '=' or '.' or '*' or '>') continue;
            problem = $"the keys {Quoted.From(text)} contain {Quoted.From([character])}; keys have letters, digits, '-', '/', '_', '=' and '.'";
            keys = null;
            return false;
        }

        return true;
    }

    public static bool TryParseQueue(string? text, [NotNullWhen(true)] out string? queue, [NotNullWhen(false)] out string? problem)
    {
        queue = null;
        problem = $"the name of the queue group has {text?.Length ?? 0} characters; expected 1 to {MaxLength}";
        if (text is not { Length: > 0 and <= MaxLength }) return false;
        foreach (var character in text)
        {
            if (char.IsAsciiLetterOrDigit(character) || character is '-' or '_' or '.' or '/' or '=' or ':') continue;
            problem = $"{Quoted.From(text)} is not the name of a queue group; expected letters, digits, '-', '_', '.', '/', '=' and ':', without wildcards";
            return false;
        }

        problem = null;
        queue = text;
        return true;
    }
}
