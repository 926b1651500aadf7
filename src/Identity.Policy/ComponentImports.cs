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

    public bool Equals(ComponentImports? other) =>
        other is not null && Imports.AsSpan().SequenceEqual(other.Imports.AsSpan()) && Exports.AsSpan().SequenceEqual(other.Exports.AsSpan());

    public override int GetHashCode() => HashCode.Combine(Imports.Length, Exports.Length);
}
