using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Text.Unicode;

namespace Identity.Policy;

/// <summary>
/// Lists what a component imports from its bytes alone, before anything is compiled (component model, Binary.md). Whatever it does not
/// know refuses the component. It reads names and kinds only; what the members of an interface are, the runtime says after compiling.
/// </summary>
public static class ComponentReader
{
    /// <summary>Bytes. Compiling more than this takes tens of seconds, so larger components are refused unread.</summary>
    public const int MaxComponentSize = 32 << 20;

    private const int MaxDepth = 100;
    private const int MaxImports = 1_000;
    private const int MaxNameLength = 1_024;

    private static ReadOnlySpan<byte> ComponentPreamble => [0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00];

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
            var found = ImmutableArray.CreateBuilder<ComponentImport>();
            ReadComponent(component, found, depth: 1);
            imports = new ComponentImports(found.ToImmutable());
            problem = null;
        }
        catch (MalformedException malformed)
        {
            problem = malformed.Message;
        }

        return imports is not null;
    }

    /// <param name="found">Null below the top: a nested component imports from its parent, which is no authority.</param>
    private static void ReadComponent(ReadOnlySpan<byte> bytes, ImmutableArray<ComponentImport>.Builder? found, int depth)
    {
        if (depth > MaxDepth) throw new MalformedException($"components are nested more than {MaxDepth} deep");
        // Without this check the runtime would take the bytes for text and compile that.
        if (!bytes.StartsWith(ComponentPreamble))
        {
            throw new MalformedException(bytes.StartsWith(CoreModulePreamble)
                ? "this is a core module, not a component; wrap it with a component tool chain"
                : "this is no component: it does not begin with the bytes 00 61 73 6d 0d 00 01 00");
        }

        var names = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        var reader = new Reader(bytes[ComponentPreamble.Length..]);
        while (!reader.IsAtEnd)
        {
            var id = reader.Byte();
            var section = reader.Bytes(reader.Unsigned());
            switch (id)
            {
                // 0 custom, 1 core module, 2 core instances, 3 core types, 5 instances, 6 aliases, 7 types, 8 canonical functions,
                // 11 exports: none of them reaches beyond the component.
                case 0 or 1 or 2 or 3 or 5 or 6 or 7 or 8 or 11:
                    break;
                case 4:
                    ReadComponent(section, found: null, depth + 1);
                    break;
                case 10:
                    ReadImports(section, names, found);
                    break;
                default:
                    throw new MalformedException($"section {id} is unknown; start functions and values are not supported either");
            }
        }
    }

    private static void ReadImports(ReadOnlySpan<byte> section, HashSet<string> names, ImmutableArray<ComponentImport>.Builder? found)
    {
        var reader = new Reader(section);
        for (var left = reader.Unsigned(); left > 0; left--)
        {
            var name = ReadName(ref reader);
            var kind = ReadKind(ref reader);
            if (!names.Add(name)) throw new MalformedException($"the import {Quoted.From(name)} is there twice");
            if (names.Count > MaxImports) throw new MalformedException($"the component has more than {MaxImports} imports");
            found?.Add(new ComponentImport(name, kind));
        }

        if (!reader.IsAtEnd) throw new MalformedException("bytes are left over after the last import of a section");
    }

    private static string ReadName(ref Reader reader)
    {
        var form = reader.Byte();
        // Form 2 carries annotations (implements, version suffix, external id) that could mean another name than the one shown.
        if (form is not (0x00 or 0x01)) throw new MalformedException($"the name of an import has the form {form}; annotated names are not supported");
        var length = reader.Unsigned();
        if (length > MaxNameLength) throw new MalformedException($"the name of an import has {length} bytes; at most {MaxNameLength} are allowed");
        var text = reader.Bytes(length);
        return Utf8.IsValid(text) ? Encoding.UTF8.GetString(text) : throw new MalformedException("the name of an import is not UTF-8");
    }

    private static ImportKind ReadKind(ref Reader reader)
    {
        var sort = reader.Byte();
        switch (sort)
        {
            case 0x00 when reader.Byte() is 0x11:
                reader.Unsigned();
                return ImportKind.Module;
            case 0x01:
                reader.Unsigned();
                return ImportKind.Function;
            case 0x03:
                var bound = reader.Byte();
                if (bound == 0x00) reader.Unsigned();
                else if (bound != 0x01) throw new MalformedException($"a type import has the bound {bound}; expected 0 or 1");
                return ImportKind.Type;
            case 0x04:
                reader.Unsigned();
                return ImportKind.Component;
            case 0x05:
                reader.Unsigned();
                return ImportKind.Instance;
            default:
                throw new MalformedException($"an import has the sort {sort}, which is not supported (2 would be a value)");
        }
    }

    private ref struct Reader(ReadOnlySpan<byte> bytes)
    {
        private ReadOnlySpan<byte> _rest = bytes;

        public readonly bool IsAtEnd => _rest.IsEmpty;

        public byte Byte() => Bytes(1)[0];

        public ReadOnlySpan<byte> Bytes(uint count)
        {
            if (count > (uint)_rest.Length) throw new MalformedException("the component is cut off");
            var taken = _rest[..(int)count];
            _rest = _rest[(int)count..];
            return taken;
        }

        // LEB128, 32 bits. Spellings longer than needed are valid; bits beyond the 32nd are not.
        public uint Unsigned()
        {
            uint value = 0;
            for (var shift = 0; shift < 35; shift += 7)
            {
                var part = Byte();
                if (shift == 28 && part > 0x0f) break;
                value |= (uint)(part & 0x7f) << shift;
                if (part < 0x80) return value;
            }

            throw new MalformedException("a number in the component is longer than 32 bits");
        }
    }

    private sealed class MalformedException(string message) : Exception(message);
}
