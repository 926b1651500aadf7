using System.Diagnostics.CodeAnalysis;

namespace Identity.Policy;

/// <summary>A NATS subject or wildcard subject that every nats-server accepts in a permission: <c>greetings.hello</c>, <c>orders.*.paid</c>, <c>greetings.&gt;</c>.</summary>
public sealed record NatsSubject
{
    public const int MaxLength = 255;

    public const int MaxTokens = 16;

    private NatsSubject(string text) => Text = text;

    public string Text { get; }

    public static NatsSubject Parse(string text) =>
        TryParse(text, out var value, out var problem) ? value : throw new FormatException(problem);

    public static bool TryParse(
        string? text, [NotNullWhen(true)] out NatsSubject? value, [NotNullWhen(false)] out string? problem)
    {
        problem = FindProblem(text);
        value = problem is null ? new NatsSubject(text!) : null;
        return value is not null;
    }

    /// <summary>Made here of parts that were checked; it may be longer than what a policy may name.</summary>
    internal static NatsSubject Raw(string text) => new(text);

    internal bool HasWildcard => Text.AsSpan().ContainsAny('*', '>');

    /// <summary>
    /// Why a policy may not grant this subject, or null. Subjects that begin with <c>$</c> speak to the server and to JetStream, those that begin
    /// with <c>_INBOX</c> carry the replies to others, as do <c>_R_</c> and <c>_GR_</c> between accounts and clusters, and a wildcard in the first place would cover all.
    /// </summary>
    public string? WhyNotGrantable()
    {
        var dot = Text.IndexOf('.', StringComparison.Ordinal);
        var first = dot < 0 ? Text : Text[..dot];
        if (first is "*" or ">") return $"'{Text}' begins with a wildcard and so covers $SYS, $JS and everyone's inbox; name at least the first token";
        if (NatsJetStream.MeaningOf(this) is { } meaning)
            return $"'{Text}' is how JetStream is asked; grant what it is for instead: {meaning.ToYaml()}";
        if (first is "$JS" or "$KV") return $"'{Text}' is how JetStream is asked; name the stream, the consumer or the bucket instead, as in {{ stream: ORDERS, access: [read] }}";
        if (first[0] == '$') return $"'{Text}' belongs to the server; subjects that begin with '$' cannot be granted, only forbidden";
        if (first.StartsWith("_INBOX", StringComparison.Ordinal)) return $"'{Text}' is where replies to others arrive; each identity has an inbox of its own without a rule, so none need name one";
        return first.StartsWith("_R_", StringComparison.Ordinal) || first.StartsWith("_GR_", StringComparison.Ordinal)
            ? $"'{Text}' is where nats-server carries replies to other accounts and clusters; subjects that begin with '_R_' or '_GR_' cannot be granted, only forbidden" : null;
    }

    /// <summary>True when every subject that the other one means is also meant by this one.</summary>
    public bool Covers(NatsSubject other)
    {
        var mine = Text.AsSpan();
        var theirs = other.Text.AsSpan();
        while (true)
        {
            var token = NextToken(ref mine);
            var otherToken = NextToken(ref theirs);
            if (token is ">") return !otherToken.IsEmpty;
            if (token.IsEmpty || otherToken.IsEmpty) return token.IsEmpty && otherToken.IsEmpty;
            if (otherToken is ">" || (token is not "*" && !token.SequenceEqual(otherToken))) return false;
        }
    }

    /// <summary>True when some subject is meant by both.</summary>
    public bool Overlaps(NatsSubject other)
    {
        var mine = Text.AsSpan();
        var theirs = other.Text.AsSpan();
        while (true)
        {
            var token = NextToken(ref mine);
            var otherToken = NextToken(ref theirs);
            if (token.IsEmpty || otherToken.IsEmpty) return token.IsEmpty && otherToken.IsEmpty;
            if (token is ">" || otherToken is ">") return true;
            if (token is not "*" && otherToken is not "*" && !token.SequenceEqual(otherToken)) return false;
        }
    }

    /// <summary>The subjects that both mean, as one; null when there is none.</summary>
    internal NatsSubject? And(NatsSubject other)
    {
        if (!Overlaps(other)) return null;
        var (mine, theirs) = (Text.Split('.'), other.Text.Split('.'));
        var both = new List<string>();
        for (var i = 0; i < mine.Length; i++)
        {
            if (mine[i] is ">") return new NatsSubject(string.Join('.', both.Concat(theirs[i..])));
            if (theirs[i] is ">") return new NatsSubject(string.Join('.', both.Concat(mine[i..])));
            both.Add(mine[i] is "*" ? theirs[i] : mine[i]);
        }

        return new NatsSubject(string.Join('.', both));
    }

    public override string ToString() => Text;

    private static ReadOnlySpan<char> NextToken(ref ReadOnlySpan<char> rest)
    {
        var dot = rest.IndexOf('.');
        var token = dot < 0 ? rest : rest[..dot];
        rest = dot < 0 ? [] : rest[(dot + 1)..];
        return token;
    }

    private static string? FindProblem(ReadOnlySpan<char> text)
    {
        if (text.IsEmpty) return "the NATS subject is empty; expected tokens joined by '.', such as greetings.hello";
        if (text.Length > MaxLength) return $"the NATS subject has {text.Length} characters; at most {MaxLength} are allowed";
        // nats-server refuses a whole answer for one subject with a space; a second word would also mean a queue group to it.
        var bad = text.IndexOfAnyExceptInRange('!', '~');
        if (bad >= 0) return $"the NATS subject {Quoted.From(text)} contains {Quoted.From(text.Slice(bad, 1))}; only printable ASCII without spaces is allowed";

        var tokens = 0;
        foreach (var range in text.Split('.'))
        {
            var token = text[range];
            if (token.IsEmpty) return $"the NATS subject {Quoted.From(text)} has an empty token; write one '.' between tokens and none at the ends";
            if (token.ContainsAny('*', '>') && token.Length > 1) return $"the NATS subject {Quoted.From(text)} has a wildcard inside the token {Quoted.From(token)}; '*' and '>' stand alone";
            if (token is ">" && range.End.GetOffset(text.Length) != text.Length) return $"the NATS subject {Quoted.From(text)} has '>' before its end; only the last token may be '>'";
            if (++tokens > MaxTokens) return $"the NATS subject {Quoted.From(text)} has more than {MaxTokens} tokens, the most there may be; end it with '>' sooner";
        }

        return null;
    }
}
