using System.Diagnostics.CodeAnalysis;

namespace Identity.Policy;

/// <summary>
/// Which imports a rule speaks of: one interface (<c>wasi:sockets/tcp@0.2.0</c>), every interface of a package
/// (<c>wasi:io/*@0.2.0</c>), and in a forbid also every version (<c>wasi:sockets/*@*</c>). The version stands for its track.
/// </summary>
public sealed record ImportPattern
{
    private const string AnyVersionSuffix = "@*";

    private ImportPattern(string text, string package, string? interfaceName, string? track, bool anyVersion)
    {
        Text = text;
        Package = package;
        Interface = interfaceName;
        AnyVersion = anyVersion;
        Track = track;
    }

    public string Text { get; }

    public string Package { get; }

    /// <summary>Null when the pattern means every interface of the package.</summary>
    public string? Interface { get; }

    /// <summary>Null when the pattern names no version, or any.</summary>
    public string? Track { get; }

    /// <summary>True for <c>@*</c>. Only a forbid may say so: a grant for versions that do not exist yet is a grant nobody has read.</summary>
    public bool AnyVersion { get; }

    public static ImportPattern Parse(string text) =>
        TryParse(text, out var value, out var problem) ? value : throw new FormatException(problem);

    public static bool TryParse(
        string? text, [NotNullWhen(true)] out ImportPattern? value, [NotNullWhen(false)] out string? problem)
    {
        value = null;
        text ??= "";
        var anyVersion = text.EndsWith(AnyVersionSuffix, StringComparison.Ordinal);
        var named = anyVersion ? text[..^AnyVersionSuffix.Length] : text;
        // '*' stands alone, for every interface: "/*-handler" must not be read as "/*". 'x' is a valid interface label, so a package
        // pattern is then checked by the rules of an interface name.
        var star = named.IndexOf("/*", StringComparison.Ordinal) + 1;
        var wholePackage = star > 0 && (star + 1 == named.Length || named[star + 1] == '@');
        var probe = wholePackage ? $"{named[..star]}x{named[(star + 1)..]}" : named;
        if (!InterfaceName.TryParse(probe, out var name, out problem) || (anyVersion && name.Version is not null))
        {
            problem = $"{Quoted.From(text)} is not an import; expected an interface such as wasi:io/streams@0.2.0, or a package such as wasi:io/*@0.2.0";
            return false;
        }

        value = new ImportPattern(
            text, name.Package, wholePackage ? null : name.Interface, name.Version is null ? null : name.Track, anyVersion);
        return true;
    }

    public bool Matches(InterfaceName import) =>
        Package == import.Package
        && (Interface is null || Interface == import.Interface)
        && (AnyVersion || Track == (import.Version is null ? null : import.Track));

    public bool Equals(ImportPattern? other) => other is not null && Text == other.Text;

    public override int GetHashCode() => Text.GetHashCode(StringComparison.Ordinal);

    public override string ToString() => Text;
}
