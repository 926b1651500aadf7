namespace Identity.Policy.Binary;

/// <summary>Reads aliases and references to things by kind and index (Binary.md, "Alias Definitions" and "Instance Definitions").</summary>
internal static class Aliases
{
    public static void ReadSection(ReadOnlySpan<byte> section, Scope scope)
    {
        var reader = new ByteReader(section);
        for (var left = reader.Unsigned(); left > 0; left--) Read(ref reader, scope);
        if (!reader.IsAtEnd) throw new MalformedComponentException("bytes are left over after the last alias of a section");
    }

    public static void Read(ref ByteReader reader, Scope scope)
    {
        var kind = ReadSort(ref reader);
        var target = reader.Byte();
        switch (target)
        {
            case 0x00:
                var instance = scope.Get(ImportKind.Instance, reader.Unsigned());
                var name = reader.Text("the name in an alias");
                // Modules and functions have index spaces that are not followed.
                scope.Add(kind, kind is ImportKind.Type or ImportKind.Component or ImportKind.Instance ? instance.Member(name, kind) : Shape.Plain);
                break;
            case 0x01 when kind == ImportKind.Unknown:
                reader.Unsigned();
                reader.SkipText("the name in an alias");
                break;
            case 0x02 when kind is not ImportKind.Instance and not ImportKind.Function:
                var outer = scope.Outer(reader.Unsigned());
                scope.Add(kind, outer.Get(kind, reader.Unsigned()));
                break;
            default:
                throw new MalformedComponentException($"an alias of a {kind} has the target {target}, which it cannot have");
        }
    }

    /// <summary>Which kind of thing an index means; <see cref="ImportKind.Unknown"/> for the core things that are not followed.</summary>
    public static ImportKind ReadSort(ref ByteReader reader)
    {
        var sort = reader.Byte();
        return sort switch
        {
            // Core functions, tables, memories, globals and tags; core types; core instances.
            0x00 => reader.Byte() switch
            {
                0x11 => ImportKind.Module,
                <= 0x04 or 0x10 or 0x12 => ImportKind.Unknown,
                var core => throw new MalformedComponentException($"something has the core sort {core}, which is unknown"),
            },
            0x01 => ImportKind.Function,
            0x03 => ImportKind.Type,
            0x04 => ImportKind.Component,
            0x05 => ImportKind.Instance,
            _ => throw new MalformedComponentException($"something has the sort {sort}, which is not supported (2 would be a value)"),
        };
    }
}
