using System.Diagnostics.CodeAnalysis;

namespace Identity.Policy;

/// <summary>Who signed a component, as whoever verified the signature names the signer: an issuer's key, a certificate's identity. Compared byte by byte.</summary>
public sealed record SignerName
{
    public const int MaxLength = 256;

    private SignerName(string text) => Text = text;

    public string Text { get; }

    public static SignerName Parse(string text) =>
        TryParse(text, out var value, out var problem) ? value : throw new FormatException(problem);

    public static bool TryParse(string? text, [NotNullWhen(true)] out SignerName? value, [NotNullWhen(false)] out string? problem)
    {
        value = null;
        problem = null;
        if (text is not { Length: > 0 and <= MaxLength }) problem = $"the signer's name has {text?.Length ?? 0} characters; expected 1 to {MaxLength}";
        else if (text.AsSpan().IndexOfAnyExceptInRange('!', '~') >= 0) problem = $"{Quoted.From(text)} is not a signer's name; expected printable ASCII without spaces";
        // A pattern would be taken for one by its author; the names of signers are whole.
        else if (text.Contains('*', StringComparison.Ordinal)) problem = $"{Quoted.From(text)} contains a '*'; signers are named one by one";
        else value = new SignerName(text);
        return value is not null;
    }

    public override string ToString() => Text;
}
