using System.Diagnostics.CodeAnalysis;
using Spiffe.Net;

namespace Identity.Policy;

/// <summary>A SPIFFE ID and all IDs below it, by whole path segments: <c>…/components</c> covers <c>…/components/greeter</c>, not <c>…/components2</c>.</summary>
public sealed record SpiffeIdPrefix
{
    private SpiffeIdPrefix(string text) => Text = text;

    public string Text { get; }

    public static SpiffeIdPrefix Parse(string text) =>
        TryParse(text, out var value, out var problem) ? value : throw new FormatException(problem);

    public static bool TryParse(
        string? text, [NotNullWhen(true)] out SpiffeIdPrefix? value, [NotNullWhen(false)] out string? problem)
    {
        value = SpiffeId.TryParse(text, out _, out problem) ? new SpiffeIdPrefix(text!) : null;
        if (problem is not null)
            problem += text is not null && text.EndsWith('/') ? "; leave out the '/' at the end: a prefix always ends with a whole segment" : "; expected one such as spiffe://example.org/components";
        return value is not null;
    }

    public bool Covers(SpiffeId id) => Covers(id.ToString());

    public bool Covers(SpiffeIdPrefix other) => Covers(other.Text);

    public override string ToString() => Text;

    private bool Covers(string text) =>
        text.StartsWith(Text, StringComparison.Ordinal) && (text.Length == Text.Length || text[Text.Length] == '/');
}
