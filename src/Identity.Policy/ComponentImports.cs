using System.Collections.Immutable;

namespace Identity.Policy;

/// <summary>What stands behind an import. Only instances can be granted; the rest is listed so that a refusal can name it.</summary>
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
public readonly record struct ComponentImport(string Name, ImportKind Kind)
{
    public override string ToString() => $"{Name} ({Kind})";
}

/// <summary>Every top-level import of a component, in the order of its bytes. Nested components import from their parent, which is no authority.</summary>
public sealed record ComponentImports(ImmutableArray<ComponentImport> Imports)
{
    public bool Equals(ComponentImports? other) => other is not null && Imports.AsSpan().SequenceEqual(other.Imports.AsSpan());

    public override int GetHashCode() => Imports.Length;
}
