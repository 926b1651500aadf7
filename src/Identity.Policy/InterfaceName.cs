using System.Diagnostics.CodeAnalysis;

namespace Identity.Policy;

/// <summary>A WIT interface as a component names it: <c>wasi:io/streams@0.2.0</c>. Equal by text.</summary>
public sealed record InterfaceName
{
    public const int MaxLength = 256;

    private InterfaceName(string text, int slash, int at)
    {
        Text = text;
        var end = at < 0 ? text.Length : at;
        Package = text[..slash];
        Interface = text[(slash + 1)..end];
        Version = at < 0 ? null : text[(at + 1)..];
        Track = Version is null ? "" : SemanticVersion.TrackOf(Version).ToString();
        TrackedName = Version is null ? text : $"{text[..end]}@{Track}";
    }

    public string Text { get; }

    /// <summary>Namespace and package, such as <c>wasi:io</c>.</summary>
    public string Package { get; }

    public string Interface { get; }

    /// <summary>Null when the interface carries no version.</summary>
    public string? Version { get; }

    /// <summary>The versions that the linker treats as one: <c>1</c> for 1.4.2, <c>0.2</c> for 0.2.7, the whole text where it insists on it.</summary>
    public string Track { get; }

    /// <summary>The name with its track in place of its version: two names link to each other exactly when these are equal.</summary>
    public string TrackedName { get; }

    public static InterfaceName Parse(string text) =>
        TryParse(text, out var value, out var problem) ? value : throw new FormatException(problem);

    public static bool TryParse(
        string? text, [NotNullWhen(true)] out InterfaceName? value, [NotNullWhen(false)] out string? problem)
    {
        value = null;
        problem = FindProblem(text, out var slash, out var at);
        if (problem is not null) return false;
        value = new InterfaceName(text!, slash, at);
        return true;
    }

    public bool Equals(InterfaceName? other) => other is not null && Text == other.Text;

    public override int GetHashCode() => Text.GetHashCode(StringComparison.Ordinal);

    public override string ToString() => Text;

    internal static bool IsLabel(ReadOnlySpan<char> label)
    {
        // Words of lower-case letters and digits joined by single '-', the first starting with a letter (component model, kebab-case
        // names). Upper-case acronyms are valid WIT but no interface of the field uses them, and they read like look-alikes.
        if (label.IsEmpty || label[0] is < 'a' or > 'z' || label[^1] == '-') return false;
        for (var i = 0; i < label.Length; i++)
        {
            if (label[i] == '-' ? label[i - 1] == '-' : label[i] is not ((>= 'a' and <= 'z') or (>= '0' and <= '9'))) return false;
        }

        return true;
    }

    internal static string? FindProblem(ReadOnlySpan<char> text, out int slash, out int at)
    {
        slash = text.IndexOf('/');
        at = text.IndexOf('@');
        if (text.Length > MaxLength) return $"the interface name has {text.Length} characters; at most {MaxLength} are allowed";
        var name = at < 0 ? text : text[..at];
        var colon = name.IndexOf(':');
        if (slash < 0 || colon < 0 || colon > slash || slash >= name.Length
            || !IsLabel(name[..colon]) || !IsLabel(name[(colon + 1)..slash]) || !IsLabel(name[(slash + 1)..]))
            return $"{Quoted.From(text)} is not an interface name; expected namespace:package/interface@version, such as wasi:io/streams@0.2.0";
        return at < 0 || SemanticVersion.IsValid(text[(at + 1)..])
            ? null
            : $"{Quoted.From(text)} has the version {Quoted.From(text[(at + 1)..])}; expected a semantic version such as 0.2.0";
    }
}
