namespace Identity.Policy.Binary;

/// <summary>
/// Steps over the core types that stand inside component types (Binary.md, "Core Definitions"): function and module types. Types of
/// garbage collection are refused there; no tool chain writes them.
/// </summary>
internal static class CoreTypes
{
    private const string What = "the name in a core type";

    public static void Skip(ref ByteReader reader)
    {
        var form = reader.Byte();
        switch (form)
        {
            case 0x60:
                SkipValueTypes(ref reader);
                SkipValueTypes(ref reader);
                break;
            case 0x50:
                for (var left = reader.Unsigned(); left > 0; left--) SkipModuleDeclaration(ref reader);
                break;
            default:
                throw Unknown("core type", form);
        }
    }

    private static void SkipModuleDeclaration(ref ByteReader reader)
    {
        var form = reader.Byte();
        switch (form)
        {
            case 0x00:
                reader.SkipText(What);
                reader.SkipText(What);
                SkipDescription(ref reader);
                break;
            case 0x01:
                // A module type holds function types, never another module type.
                if (reader.Peek() != 0x60) throw Unknown("core type", reader.Peek());
                Skip(ref reader);
                break;
            case 0x02:
                // The one alias there is: a type (0x10) of an outer scope (0x01).
                if (reader.Byte() != 0x10 || reader.Byte() != 0x01) throw new MalformedComponentException("a core type has an alias of a form that is unknown");
                reader.Unsigned();
                reader.Unsigned();
                break;
            case 0x03:
                reader.SkipText(What);
                SkipDescription(ref reader);
                break;
            default:
                throw Unknown("declaration of a module type", form);
        }
    }

    private static void SkipDescription(ref ByteReader reader)
    {
        var form = reader.Byte();
        switch (form)
        {
            case 0x00:
                reader.Unsigned();
                break;
            case 0x01:
                SkipValueType(ref reader);
                SkipLimits(ref reader);
                break;
            case 0x02:
                SkipLimits(ref reader);
                break;
            case 0x03:
                SkipValueType(ref reader);
                reader.Byte();
                break;
            case 0x04:
                reader.Byte();
                reader.Unsigned();
                break;
            default:
                throw Unknown("core import or export", form);
        }
    }

    private static void SkipLimits(ref ByteReader reader)
    {
        var form = reader.Byte();
        if (form > 0x03) throw Unknown("limit of a core memory or table", form);
        reader.Unsigned();
        if ((form & 0x01) != 0) reader.Unsigned();
    }

    private static void SkipValueTypes(ref ByteReader reader)
    {
        for (var left = reader.Unsigned(); left > 0; left--) SkipValueType(ref reader);
    }

    private static void SkipValueType(ref ByteReader reader)
    {
        var form = reader.Byte();
        if (form is not (>= 0x7b and <= 0x7f or 0x70 or 0x6f)) throw Unknown("core value type", form);
    }

    private static MalformedComponentException Unknown(string what, byte form) => new($"a {what} has the form {form}, which is not supported");
}
