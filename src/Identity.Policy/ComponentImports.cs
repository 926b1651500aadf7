using System.Collections.Immutable;

namespace Identity.Policy;

/// <summary>What stands behind an import or export. Only instances can be granted as imports; the rest is listed so that a refusal can name it.</summary>
public enum ImportKind
{
    Unknown = 0,
    Module,
    Function,
    Type,
    Component,
    Instance,
}

/// <summary>One import of a component, spelt as in its bytes.</summary>
/// <param name="Functions">
/// What the imported instance must have, in the order of the bytes and as core names spell it: <c>get</c>, <c>[method]bucket.get</c>,
/// <c>[constructor]bucket</c>, <c>[static]bucket.open</c>. Types are not listed. Empty for the other kinds.
/// </param>
public sealed record ComponentImport(string Name, ImportKind Kind, ImmutableArray<string> Functions)
{
    public string Name { get; } = Name;

    /// <summary>What asks for all of it, made once; null when its name is none of an interface.</summary>
    internal CapabilityRequest.Import? Request { get; } = InterfaceName.TryParse(Name, out var read, out _) ? new CapabilityRequest.Import(read) : null;

    public ComponentImport(string name, ImportKind kind)
        : this(name, kind, [])
    {
    }

    public bool Equals(ComponentImport? other) =>
        other is not null && Name == other.Name && Kind == other.Kind && Functions.AsSpan().SequenceEqual(other.Functions.AsSpan());

    public override int GetHashCode() => HashCode.Combine(Name, Kind, Functions.Length);

    public override string ToString() => $"{Name} ({Kind})";
}

/// <summary>One top-level export of a component, spelt as in its bytes: an instance with its functions, or a function by itself.</summary>
/// <param name="Functions">
/// As in <see cref="ComponentImport"/>; empty unless it is an instance. A runtime may find more on it than its type says; those are not
/// listed and so cannot be granted.
/// </param>
public sealed record ComponentExport(string Name, ImportKind Kind, ImmutableArray<string> Functions)
{
    public string Name { get; } = Name;

    /// <summary>What asks for all of it, made once; null when it is neither an interface nor a function.</summary>
    internal CapabilityRequest.Export? Request { get; } = InterfaceName.TryParse(Name, out var read, out _) ? new CapabilityRequest.Export(read)
        : Kind == ImportKind.Function ? new CapabilityRequest.Export(null, Name) : null;

    public bool Equals(ComponentExport? other) =>
        other is not null && Name == other.Name && Kind == other.Kind && Functions.AsSpan().SequenceEqual(other.Functions.AsSpan());

    public override int GetHashCode() => HashCode.Combine(Name, Kind, Functions.Length);

    public override string ToString() => $"{Name} ({Kind})";
}

/// <summary>
/// Every top-level import and export of a component, in the order of its bytes. Nested components import from their parent, which is no
/// authority.
/// </summary>
public sealed record ComponentImports(ImmutableArray<ComponentImport> Imports)
{
    /// <summary>What may be called on it. Exported types, modules and components are not listed: nobody can call them.</summary>
    public ImmutableArray<ComponentExport> Exports { get; init; } = [];

    /// <summary>The imports as whoever has the bytes tells them to others: each interface as it spells it, and each function of it as <c>wasi:io/poll@0.2.0#poll</c>.</summary>
    public IEnumerable<string> ImportLines() => Imports.SelectMany(import => Functions(import.Name, import.Functions).Prepend(import.Name));

    /// <summary>The exports, likewise; a function by itself is <c>#run</c>.</summary>
    public IEnumerable<string> ExportLines() => Exports.SelectMany(export => export.Kind == ImportKind.Function ? [$"#{export.Name}"] : Functions(export.Name, export.Functions).Prepend(export.Name));

    /// <summary>What the lines say.</summary>
    public static ComponentImports OfLines(IEnumerable<string> imports, IEnumerable<string> exports) =>
        new([.. Group(imports).Select(pair => new ComponentImport(pair.Name, ImportKind.Instance, pair.Functions))])
        {
            Exports = [.. Group(exports).Select(pair => pair.Name.Length == 0
                ? new ComponentExport(pair.Functions[0], ImportKind.Function, [])
                : new ComponentExport(pair.Name, ImportKind.Instance, pair.Functions))],
        };

    private static IEnumerable<string> Functions(string name, ImmutableArray<string> functions) => (functions.IsDefault ? [] : functions).Select(function => $"{name}#{function}");

    // `wasi:io/poll@0.2.0` and `wasi:io/poll@0.2.0#poll` are one interface; `#run` and `#stop` are two functions.
    private static IEnumerable<(string Name, ImmutableArray<string> Functions)> Group(IEnumerable<string> lines)
    {
        var functions = new Dictionary<string, List<string>>(StringComparer.Ordinal);
        var order = new List<string>();
        foreach (var line in lines)
        {
            var hash = line.IndexOf('#', StringComparison.Ordinal);
            var name = hash <= 0 ? line : line[..hash];
            if (!functions.TryGetValue(name, out var known))
            {
                functions[name] = known = [];
                order.Add(name);
            }

            if (hash > 0) known.Add(line[(hash + 1)..]);
        }

        return order.Select(name => name.StartsWith('#') ? ("", [name[1..]]) : (name, functions[name].ToImmutableArray()));
    }

    public bool Equals(ComponentImports? other) =>
        other is not null && Imports.AsSpan().SequenceEqual(other.Imports.AsSpan()) && Exports.AsSpan().SequenceEqual(other.Exports.AsSpan());

    public override int GetHashCode() => HashCode.Combine(Imports.Length, Exports.Length);
}
