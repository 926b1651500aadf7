using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using Identity.Policy.Binary;

namespace Identity.Policy;

/// <summary>
/// Lists what a component imports and exports from its bytes alone, before anything is compiled (component model, Binary.md): names,
/// kinds, and the functions of instances. Whatever it does not know refuses the component.
/// </summary>
public static class ComponentReader
{
    /// <summary>Bytes. Compiling more than this takes tens of seconds, so larger components are refused unread.</summary>
    public const int MaxComponentSize = 32 << 20;

    /// <summary>Of all imports and exports together. All of WASI 0.2 has about 300.</summary>
    public const int MaxFunctions = 4_096;

    private const int MaxImports = 1_000;

    internal static ReadOnlySpan<byte> ComponentPreamble => [0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00];

    private static ReadOnlySpan<byte> CoreModulePreamble => [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];

    public static bool TryRead(
        ReadOnlySpan<byte> component, [NotNullWhen(true)] out ComponentImports? imports, [NotNullWhen(false)] out string? problem)
    {
        imports = null;
        if (component.Length > MaxComponentSize)
        {
            problem = $"the component has {component.Length} bytes; at most {MaxComponentSize} are read";
            return false;
        }

        try
        {
            var found = new List<Member>();
            var exports = ReadComponent(component, found, Scope.Top());
            imports = Listed(found, exports);
            problem = null;
        }
        catch (MalformedComponentException malformed)
        {
            problem = malformed.Message;
        }

        return imports is not null;
    }

    /// <returns>The exports.</returns>
    /// <param name="found">Null below the top: a nested component imports from its parent, which is no authority.</param>
    private static List<Member> ReadComponent(ReadOnlySpan<byte> bytes, List<Member>? found, Scope scope)
    {
        // Without this check the runtime would take the bytes for text and compile that.
        if (!bytes.StartsWith(ComponentPreamble))
        {
            throw new MalformedComponentException(bytes.StartsWith(CoreModulePreamble)
                ? "this is a core module, not a component; wrap it with a component tool chain"
                : "this is no component: it does not begin with the bytes 00 61 73 6d 0d 00 01 00");
        }

        var imports = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        var exports = new List<Member>();
        var reader = new ByteReader(bytes[ComponentPreamble.Length..]);
        while (!reader.IsAtEnd)
        {
            var id = reader.Byte();
            var section = reader.Bytes(reader.Unsigned());
            switch (id)
            {
                // 0 custom, 1 core module, 2 core instances, 3 core types, 8 canonical functions: none of them names anything that can be
                // imported or called.
                case 0 or 1 or 2 or 3 or 8:
                    break;
                case 4:
                    scope.Add(ImportKind.Component, Shape.ComponentOf(ReadComponent(section, found: null, scope.Nested())));
                    break;
                case 5:
                    ReadInstances(section, scope);
                    break;
                case 6:
                    Aliases.ReadSection(section, scope);
                    break;
                case 7:
                    TypeReader.ReadSection(section, scope);
                    break;
                case 10:
                    ReadImports(section, imports, found, scope);
                    break;
                case 11:
                    ReadExports(section, exports, scope);
                    break;
                default:
                    throw new MalformedComponentException($"section {id} is unknown; start functions and values are not supported either");
            }
        }

        RefuseTwice(exports);
        return exports;
    }

    private static void ReadImports(ReadOnlySpan<byte> section, HashSet<string> names, List<Member>? found, Scope scope)
    {
        var reader = new ByteReader(section);
        for (var left = reader.Unsigned(); left > 0; left--)
        {
            var name = reader.Name("the name of an import");
            var (kind, shape) = TypeReader.ReadDescription(ref reader, scope);
            if (!names.Add(name)) throw new MalformedComponentException($"the import {Quoted.From(name)} is there twice");
            if (names.Count > MaxImports) throw new MalformedComponentException($"the component has more than {MaxImports} imports");
            scope.Add(kind, shape);
            found?.Add(new Member(name, kind, shape));
        }

        if (!reader.IsAtEnd) throw new MalformedComponentException("bytes are left over after the last import of a section");
    }

    private static void ReadExports(ReadOnlySpan<byte> section, List<Member> exports, Scope scope)
    {
        var reader = new ByteReader(section);
        for (var left = reader.Unsigned(); left > 0; left--)
        {
            var member = ReadExported(ref reader, scope);
            // It may be ascribed another type than it has; that is then all that can be seen of it.
            if (reader.Byte() is var mark and not 0x00)
            {
                if (mark != 0x01) throw new MalformedComponentException($"the type of an export is marked {mark}; expected 0 or 1");
                var (kind, shape) = TypeReader.ReadDescription(ref reader, scope);
                if (kind != member.Kind) throw new MalformedComponentException($"the export {Quoted.From(member.Name)} is a {member.Kind} with the type of a {kind}");
                member = member with { Shape = shape };
            }

            // An export is a definition too: what follows may refer to it.
            scope.Add(member.Kind, member.Shape);
            exports.Add(member);
        }

        if (!reader.IsAtEnd) throw new MalformedComponentException("bytes are left over after the last export of a section");
    }

    private static void ReadInstances(ReadOnlySpan<byte> section, Scope scope)
    {
        var reader = new ByteReader(section);
        for (var left = reader.Unsigned(); left > 0; left--)
        {
            var form = reader.Byte();
            scope.Add(ImportKind.Instance, form switch
            {
                0x00 => ReadInstantiation(ref reader, scope),
                0x01 => ReadInlineExports(ref reader, scope),
                _ => throw new MalformedComponentException($"an instance has the form {form}; expected 0 or 1"),
            });
        }

        if (!reader.IsAtEnd) throw new MalformedComponentException("bytes are left over after the last instance of a section");
    }

    private static Shape ReadInstantiation(ref ByteReader reader, Scope scope)
    {
        var component = scope.Get(ImportKind.Component, reader.Unsigned());
        for (var left = reader.Unsigned(); left > 0; left--)
        {
            reader.SkipText("the name of an argument");
            Aliases.ReadSort(ref reader);
            reader.Unsigned();
        }

        return component.Instantiated();
    }

    private static Shape ReadInlineExports(ref ByteReader reader, Scope scope)
    {
        var members = new List<Member>();
        for (var left = reader.Unsigned(); left > 0; left--) members.Add(ReadExported(ref reader, scope));
        RefuseTwice(members);
        return Shape.InstanceOf(members);
    }

    private static Member ReadExported(ref ByteReader reader, Scope scope)
    {
        scope.Spend();
        var name = reader.Name("the name of an export");
        var kind = Aliases.ReadSort(ref reader);
        if (kind == ImportKind.Unknown) throw new MalformedComponentException($"the export {Quoted.From(name)} is of a kind that cannot be exported");
        return new Member(name, kind, scope.Get(kind, reader.Unsigned()));
    }

    private static ComponentImports Listed(List<Member> imports, List<Member> exports)
    {
        var left = MaxFunctions;
        var imported = ImmutableArray.CreateBuilder<ComponentImport>(imports.Count);
        foreach (var import in imports) imported.Add(new ComponentImport(import.Name, import.Kind, FunctionsOf(import, ref left)));
        var exported = ImmutableArray.CreateBuilder<ComponentExport>();
        foreach (var export in exports)
        {
            if (export.Kind is not (ImportKind.Instance or ImportKind.Function)) continue;
            if (export.Kind == ImportKind.Function) Count(ref left);
            exported.Add(new ComponentExport(export.Name, export.Kind, FunctionsOf(export, ref left)));
        }

        return new ComponentImports(imported.MoveToImmutable()) { Exports = exported.ToImmutable() };
    }

    private static ImmutableArray<string> FunctionsOf(Member member, ref int left)
    {
        if (member.Kind != ImportKind.Instance) return [];
        var functions = ImmutableArray.CreateBuilder<string>();
        foreach (var inner in member.Shape.Members)
        {
            if (inner.Kind == ImportKind.Type) continue;
            // An interface of WIT has types and functions. What else an instance holds could be called without a name that policy knows.
            if (inner.Kind != ImportKind.Function)
                throw new MalformedComponentException($"{Quoted.From(member.Name)} has the member {Quoted.From(inner.Name)}, a {inner.Kind}; only functions and types are supported");
            Count(ref left);
            functions.Add(inner.Name);
        }

        return functions.DrainToImmutable();
    }

    private static void Count(ref int left)
    {
        if (--left < 0) throw new MalformedComponentException($"the component imports and exports more than {MaxFunctions} functions");
    }

    private static void RefuseTwice(List<Member> exports)
    {
        var names = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        foreach (var export in exports)
        {
            if (!names.Add(export.Name)) throw new MalformedComponentException($"the export {Quoted.From(export.Name)} is there twice");
        }
    }
}
