namespace Identity.Policy.Binary;

/// <summary>Reads type definitions (Binary.md, "Type Definitions") and the descriptions of imports and exports that refer to them.</summary>
internal static class TypeReader
{
    public static void ReadSection(ReadOnlySpan<byte> section, Scope scope)
    {
        var reader = new ByteReader(section);
        for (var left = reader.Unsigned(); left > 0; left--) scope.Add(ImportKind.Type, ReadType(ref reader, scope));
        if (!reader.IsAtEnd) throw new MalformedComponentException("bytes are left over after the last type of a section");
    }

    /// <summary>What an import or export is, and the shape it has.</summary>
    public static (ImportKind Kind, Shape Shape) ReadDescription(ref ByteReader reader, Scope scope)
    {
        var sort = reader.Byte();
        switch (sort)
        {
            case 0x00 when reader.Byte() is 0x11:
                reader.Unsigned();
                return (ImportKind.Module, Shape.Plain);
            case 0x01:
                return (ImportKind.Function, scope.TypeOf(ImportKind.Function, reader.Unsigned()));
            case 0x03:
                return (ImportKind.Type, ReadTypeBound(ref reader, scope));
            case 0x04:
                return (ImportKind.Component, scope.TypeOf(ImportKind.Component, reader.Unsigned()));
            case 0x05:
                return (ImportKind.Instance, scope.TypeOf(ImportKind.Instance, reader.Unsigned()));
            default:
                throw new MalformedComponentException($"an import or export has the sort {sort}, which is not supported (2 would be a value)");
        }
    }

    private static Shape ReadTypeBound(ref ByteReader reader, Scope scope)
    {
        var bound = reader.Byte();
        return bound switch
        {
            0x00 => scope.Get(ImportKind.Type, reader.Unsigned()),
            0x01 => Shape.Plain,
            _ => throw new MalformedComponentException($"a type has the bound {bound}; expected 0 or 1"),
        };
    }

    private static Shape ReadType(ref ByteReader reader, Scope scope)
    {
        var form = reader.Byte();
        switch (form)
        {
            case 0x41:
                return Shape.ComponentOf(ReadDeclarations(ref reader, scope.Nested(), imports: true));
            case 0x42:
                return Shape.InstanceOf(ReadDeclarations(ref reader, scope.Nested(), imports: false));
            case 0x40 or 0x43:
                SkipFunction(ref reader);
                return Shape.Function;
            case 0x3f or 0x3e:
                SkipResource(ref reader, isAsync: form == 0x3e);
                return Shape.Plain;
            default:
                SkipDefinedValue(ref reader, form);
                return Shape.Plain;
        }
    }

    /// <summary>The exports among the declarations of an instance or component type.</summary>
    private static List<Member> ReadDeclarations(ref ByteReader reader, Scope scope, bool imports)
    {
        var members = new List<Member>();
        var names = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        for (var left = reader.Unsigned(); left > 0; left--)
        {
            scope.Spend();
            var form = reader.Byte();
            switch (form)
            {
                case 0x00:
                    CoreTypes.Skip(ref reader);
                    break;
                case 0x01:
                    scope.Add(ImportKind.Type, ReadType(ref reader, scope));
                    break;
                case 0x02:
                    Aliases.Read(ref reader, scope);
                    break;
                case 0x03 when imports:
                    reader.Name("the name of an import");
                    var (imported, importedShape) = ReadDescription(ref reader, scope);
                    scope.Add(imported, importedShape);
                    break;
                case 0x04:
                    var name = reader.Name("the name of a member");
                    if (!names.Add(name)) throw new MalformedComponentException($"the member {Quoted.From(name)} is there twice");
                    var (kind, shape) = ReadDescription(ref reader, scope);
                    scope.Add(kind, shape);
                    members.Add(new Member(name, kind, shape));
                    break;
                default:
                    throw new MalformedComponentException($"a type has a declaration of the form {form}, which is unknown");
            }
        }

        return members;
    }

    private static void SkipFunction(ref ByteReader reader)
    {
        SkipFields(ref reader);
        var results = reader.Byte();
        if (results == 0x00) SkipValueType(ref reader);
        else if (results != 0x01 || reader.Byte() != 0x00) throw new MalformedComponentException("a function type has results in a form that is unknown");
    }

    private static void SkipResource(ref ByteReader reader, bool isAsync)
    {
        // Its representation is a core i32; then what destroys it.
        reader.Byte();
        if (isAsync) reader.Unsigned();
        if (IsPresent(ref reader)) reader.Unsigned();
    }

    private static void SkipDefinedValue(ref ByteReader reader, byte form)
    {
        switch (form)
        {
            case 0x64 or >= 0x73 and <= 0x7f:
                break;
            case 0x72:
                SkipFields(ref reader);
                break;
            case 0x71:
                for (var left = reader.Unsigned(); left > 0; left--)
                {
                    reader.SkipText("a label");
                    SkipOptionalValueType(ref reader);
                    if (reader.Byte() != 0x00) throw new MalformedComponentException("a case of a variant ends in a form that is unknown");
                }

                break;
            case 0x70 or 0x6b:
                SkipValueType(ref reader);
                break;
            case 0x67:
                SkipValueType(ref reader);
                reader.Unsigned();
                break;
            case 0x6f:
                for (var left = reader.Unsigned(); left > 0; left--) SkipValueType(ref reader);
                break;
            case 0x6e or 0x6d:
                for (var left = reader.Unsigned(); left > 0; left--) reader.SkipText("a label");
                break;
            case 0x6a:
                SkipOptionalValueType(ref reader);
                SkipOptionalValueType(ref reader);
                break;
            case 0x69 or 0x68:
                reader.Unsigned();
                break;
            case 0x66 or 0x65:
                SkipOptionalValueType(ref reader);
                break;
            case 0x63:
                SkipValueType(ref reader);
                SkipValueType(ref reader);
                break;
            default:
                throw new MalformedComponentException($"a type has the form {form}, which is unknown");
        }
    }

    private static void SkipFields(ref ByteReader reader)
    {
        for (var left = reader.Unsigned(); left > 0; left--)
        {
            reader.SkipText("a label");
            SkipValueType(ref reader);
        }
    }

    private static void SkipOptionalValueType(ref ByteReader reader)
    {
        if (IsPresent(ref reader)) SkipValueType(ref reader);
    }

    private static bool IsPresent(ref ByteReader reader) => reader.Byte() switch
    {
        0x00 => false,
        0x01 => true,
        var mark => throw new MalformedComponentException($"something optional is marked {mark}; expected 0 or 1"),
    };

    // A primitive is one byte that would be a negative number; anything else is the index of a type, a positive number of 33 bits with a
    // sign, which takes as many bytes as it would without.
    private static void SkipValueType(ref ByteReader reader)
    {
        if ((reader.Peek() & 0xc0) == 0x40) reader.Byte();
        else reader.Unsigned();
    }
}
