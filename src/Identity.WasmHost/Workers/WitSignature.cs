using System.Text;
using static Identity.WasmHost.Workers.WasmtimeNative;

namespace Identity.WasmHost.Workers;

/// <summary>
/// Writes the type of a native function as WIT text, so that one string comparison says whether a guest means the function we offer.
/// Wasmtime does not check that for functions defined by a host at run time: it would link any signature and trap later.
/// </summary>
internal sealed unsafe class WitSignature
{
    // Types may share their parts, so a small binary can describe an exponentially large type. What we offer fits well below this.
    private const int MaxLength = 1024;

    private static readonly string[] Primitives =
        ["bool", "s8", "s16", "s32", "s64", "u8", "u16", "u32", "u64", "f32", "f64", "char", "string"];

    private readonly StringBuilder text = new();

    private bool IsTooLong => text.Length > MaxLength;

    /// <summary>For example <c>func(audience: string) -> option&lt;string&gt;</c>; cut off after 1 KiB, which matches nothing.</summary>
    public static string Of(nint function)
    {
        var signature = new WitSignature();
        signature.WriteFunction(function);
        return signature.text.ToString();
    }

    private void WriteFunction(nint function)
    {
        text.Append(FunctionIsAsync(function) ? "async func(" : "func(");
        for (nuint i = 0; i < ParameterCount(function) && !IsTooLong; i++)
        {
            if (!ParameterAt(function, i, out var name, out var length, out var type)) continue;
            WriteNamed(i, name, length, ref type);
        }

        text.Append(')');
        if (!FunctionResult(function, out var result)) return;
        text.Append(" -> ");
        WriteAndDelete(ref result);
    }

    private void WriteNamed(nuint index, byte* name, nuint length, ref WitType type)
    {
        if (index > 0) text.Append(", ");
        text.Append(NativeImports.Text(name, length)).Append(": ");
        WriteAndDelete(ref type);
    }

    private void WriteAndDelete(ref WitType type)
    {
        if (!IsTooLong) Write(type);
        DeleteValueType(ref type);
    }

    private void Write(WitType type)
    {
        switch (type.Kind)
        {
            case < 13:
                text.Append(Primitives[type.Kind]);
                break;
            case 13:
                ListElement(type.Of, out var element);
                WriteGeneric("list", ref element);
                break;
            case 14:
                WriteRecord(type.Of);
                break;
            case 16:
                WriteVariant(type.Of);
                break;
            case 18:
                OptionInner(type.Of, out var inner);
                WriteGeneric("option", ref inner);
                break;
            case 19:
                WriteResult(type.Of);
                break;
            default:
                // Nothing we offer uses the other kinds; a name that is no WIT keyword cannot match.
                text.Append("kind-").Append(type.Kind);
                break;
        }
    }

    private void WriteGeneric(string name, ref WitType inner)
    {
        text.Append(name).Append('<');
        WriteAndDelete(ref inner);
        text.Append('>');
    }

    private void WriteRecord(nint record)
    {
        text.Append("record { ");
        for (nuint i = 0; i < FieldCount(record) && !IsTooLong; i++)
        {
            if (FieldAt(record, i, out var name, out var length, out var type)) WriteNamed(i, name, length, ref type);
        }

        text.Append(" }");
    }

    private void WriteVariant(nint variant)
    {
        text.Append("variant { ");
        for (nuint i = 0; i < CaseCount(variant) && !IsTooLong; i++)
        {
            if (!CaseAt(variant, i, out var name, out var length, out var hasPayload, out var payload)) continue;
            if (i > 0) text.Append(", ");
            text.Append(NativeImports.Text(name, length));
            if (!hasPayload) continue;
            text.Append('(');
            WriteAndDelete(ref payload);
            text.Append(')');
        }

        text.Append(" }");
    }

    private void WriteResult(nint result)
    {
        text.Append("result<");
        if (ResultOk(result, out var ok)) WriteAndDelete(ref ok);
        else text.Append('_');
        if (ResultErr(result, out var err))
        {
            text.Append(", ");
            WriteAndDelete(ref err);
        }

        text.Append('>');
    }
}
