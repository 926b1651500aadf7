using System.Diagnostics.CodeAnalysis;

namespace Identity.Policy;

/// <summary>
/// Which imports or exports a rule speaks of: one interface (<c>wasi:sockets/tcp@0.2.0</c>), one function of it
/// (<c>wasi:keyvalue/store@0.2.0#[method]bucket.get</c>), every interface of a package (<c>wasi:io/*@0.2.0</c>), and in a forbid also
/// every version (<c>wasi:sockets/*@*</c>). The version stands for its track; who asks for an interface without one may be linked with any.
/// An export may also be a function of the component itself (<c>#run</c>).
/// </summary>
public sealed record ImportPattern
{
    private const string AnyVersionSuffix = "@*";

    private ImportPattern(string text) => (Text, Package) = (text, "");

    public string Text { get; }

    /// <summary>Empty when the pattern means a function of the component itself.</summary>
    public string Package { get; private init; }

    /// <summary>Null when the pattern means every interface of the package, or a function of the component itself.</summary>
    public string? Interface { get; private init; }

    /// <summary>Null when the pattern names no version, or any.</summary>
    public string? Track { get; private init; }

    /// <summary>True for <c>@*</c>. Only a forbid may say so: a grant for versions that do not exist yet is a grant nobody has read.</summary>
    public bool AnyVersion { get; private init; }

    /// <summary>One function, spelt as the component spells it; null when the pattern means all of them.</summary>
    public string? Function { get; private init; }

    /// <summary>True for a function that a component exports without an interface.</summary>
    public bool IsBareFunction => Package.Length == 0;

    public static ImportPattern Parse(string text) =>
        TryParse(text, out var value, out var problem) ? value : throw new FormatException(problem);

    public static bool TryParse(
        string? text, [NotNullWhen(true)] out ImportPattern? value, [NotNullWhen(false)] out string? problem)
    {
        value = null;
        text ??= "";
        var hash = text.IndexOf('#', StringComparison.Ordinal);
        var function = hash < 0 ? null : text[(hash + 1)..];
        var whole = hash < 0 ? text : text[..hash];
        var anyVersion = whole.EndsWith(AnyVersionSuffix, StringComparison.Ordinal);
        var named = anyVersion ? whole[..^AnyVersionSuffix.Length] : whole;
        // '*' stands alone, for every interface: "/*-handler" must not be read as "/*". 'x' is a valid interface label, so a package
        // pattern is then checked by the rules of an interface name.
        var star = named.IndexOf("/*", StringComparison.Ordinal) + 1;
        var wholePackage = star > 0 && (star + 1 == named.Length || named[star + 1] == '@');
        var probe = wholePackage ? $"{named[..star]}x{named[(star + 1)..]}" : named;
        if (!InterfaceName.TryParse(probe, out var name, out problem) || (anyVersion && name.Version is not null))
        {
            problem = $"{Quoted.From(text)} is not an import or export; expected an interface such as wasi:io/streams@0.2.0, or a package such as wasi:io/*@0.2.0; a function outside interfaces, which is exported only, is written as '#run'";
            return false;
        }

        problem = function is null ? null
            : wholePackage ? $"{Quoted.From(text)} names a function of every interface; name the interface it belongs to"
            : FunctionName.FindProblem(function);
        value = problem is not null ? null : new ImportPattern(text)
        {
            Package = name.Package,
            Interface = wholePackage ? null : name.Interface,
            Track = name.Version is null ? null : name.Track,
            AnyVersion = anyVersion,
            Function = function,
        };
        return value is not null;
    }

    /// <summary>As <see cref="TryParse"/>, and also <c>#run</c>: a function that the component exports without an interface.</summary>
    public static bool TryParseExport(
        string? text, [NotNullWhen(true)] out ImportPattern? value, [NotNullWhen(false)] out string? problem)
    {
        if (text is null || !text.StartsWith('#')) return TryParse(text, out value, out problem);
        problem = InterfaceName.IsLabel(text.AsSpan(1)) && text.Length <= FunctionName.MaxLength
            ? null
            : $"{Quoted.From(text)} is not an export; expected an interface such as wasi:http/incoming-handler@0.2.0, or a function of the component such as #run";
        value = problem is null ? new ImportPattern(text) { Function = text[1..] } : null;
        return value is not null;
    }

    /// <summary>The narrowest pattern for an interface or a function of it; with no interface, for a function of the component itself.</summary>
    public static ImportPattern Of(InterfaceName? name, string? function) => name is null
        ? new ImportPattern("#" + function) { Function = function }
        : new ImportPattern(function is null ? name.Text : $"{name.Text}#{function}")
        {
            Package = name.Package,
            Interface = name.Interface,
            Track = name.Version is null ? null : name.Track,
            Function = function,
        };

    /// <summary>True when the pattern means the whole interface.</summary>
    public bool Matches(InterfaceName import) => Function is null && SpeaksOf(import);

    /// <summary>True when the pattern means this function of the interface, or with none the whole interface.</summary>
    /// <param name="import">Null for a function of the component itself.</param>
    public bool Matches(InterfaceName? import, string? function) =>
        SpeaksOf(import) && (Function is null || Function == function);

    /// <summary>True when the pattern means something of what is asked for: with no function, anything of the interface; with no version, any.</summary>
    public bool Touches(InterfaceName? import, string? function) =>
        (SpeaksOf(import) || (import is { Version: null } && NamesInterface(import))) && (Function is null || function is null || Function == function);

    /// <summary>True when the pattern means the interface on its track, whole or a function of it.</summary>
    internal bool IsAbout(InterfaceName import) => SpeaksOf(import);

    /// <summary>True when everything that the other one means is also meant by this one.</summary>
    public bool Covers(ImportPattern other) =>
        Package == other.Package
        && (Interface is null || Interface == other.Interface)
        && (AnyVersion || (!other.AnyVersion && Track == other.Track))
        && (Function is null || Function == other.Function);

    /// <summary>True when something is meant by both.</summary>
    public bool Overlaps(ImportPattern other) =>
        Package == other.Package
        && (Interface is null || other.Interface is null || Interface == other.Interface)
        && (AnyVersion || other.AnyVersion || Track == other.Track)
        && (Function is null || other.Function is null || Function == other.Function);

    public bool Equals(ImportPattern? other) => other is not null && Text == other.Text;

    public override int GetHashCode() => Text.GetHashCode(StringComparison.Ordinal);

    public override string ToString() => Text;

    private bool SpeaksOf(InterfaceName? import) => import is null
        ? IsBareFunction
        : NamesInterface(import) && (AnyVersion || Track == (import.Version is null ? null : import.Track));

    private bool NamesInterface(InterfaceName import) => Package == import.Package && (Interface is null || Interface == import.Interface);
}
