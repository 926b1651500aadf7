using System.Text;

namespace Identity.Testing.Components;

/// <summary>Writes component binaries by hand, well-formed or not (component model, Binary.md).</summary>
public sealed class ComponentWriter
{
    public static readonly byte[] Preamble = [0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00];

    public static readonly byte[] InstanceKind = [0x05, 0x00];

    /// <summary>func().</summary>
    public static readonly byte[] FunctionType = [0x40, 0x00, 0x01, 0x00];

    private readonly List<byte> _bytes = [.. Preamble];
    private bool _hasTypes;

    public byte[] ToArray() => [.. _bytes];

    public ComponentWriter Section(byte id, params byte[] content)
    {
        _hasTypes |= id == 7;
        _bytes.AddRange([id, .. Number((uint)content.Length), .. content]);
        return this;
    }

    public ComponentWriter Types(params byte[][] types) => Section(7, [.. Number((uint)types.Length), .. types.SelectMany(type => type)]);

    public ComponentWriter Exports(params byte[][] exports) => Section(11, [.. Number((uint)exports.Length), .. exports.SelectMany(export => export)]);

    public ComponentWriter Imports(params byte[][] imports) => Section(10, [.. Number((uint)imports.Length), .. imports.SelectMany(import => import)]);

    /// <summary>Imports of instances of type 0, which is one without members unless types were written before.</summary>
    public ComponentWriter Instances(params string[] names) => WithTypes().Imports([.. names.Select(name => Import(name, InstanceKind))]);

    public ComponentWriter WithTypes() => _hasTypes ? this : Types(InstanceType());

    /// <summary>An instance type; each declaration as in <see cref="Declared"/> or <see cref="Member"/>.</summary>
    public static byte[] InstanceType(params byte[][] declarations) => [0x42, .. Number((uint)declarations.Length), .. declarations.SelectMany(declaration => declaration)];

    public static byte[] ComponentType(params byte[][] declarations) => [0x41, .. Number((uint)declarations.Length), .. declarations.SelectMany(declaration => declaration)];

    /// <summary>An instance type with these functions, all of them <c>func()</c>.</summary>
    public static byte[] Interface(params string[] functions) =>
        InstanceType([Declared(FunctionType), .. functions.Select(name => Member(name, [0x01, 0x00]))]);

    /// <summary>A type declared inside another.</summary>
    public static byte[] Declared(byte[] type) => [0x01, .. type];

    /// <summary>A member of an instance type.</summary>
    public static byte[] Member(string name, byte[] kind, byte form = 0x00) => [0x04, form, .. Text(name), .. kind];

    /// <summary>An export of what stands at an index; 0x00 at its end says that no type is ascribed.</summary>
    public static byte[] Export(string name, byte[] sort, uint index, params byte[] ascribed) =>
        [0x00, .. Text(name), .. sort, .. Number(index), .. ascribed.Length == 0 ? [0x00] : (byte[])[0x01, .. ascribed]];

    public static byte[] Import(string name, byte[] kind, byte form = 0x00) => [form, .. Text(name), .. kind];

    public static byte[] Text(string text) => [.. Number((uint)Encoding.UTF8.GetByteCount(text)), .. Encoding.UTF8.GetBytes(text)];

    public static byte[] Number(uint value)
    {
        var bytes = new List<byte>();
        for (; value >= 0x80; value >>= 7) bytes.Add((byte)(value | 0x80));
        bytes.Add((byte)value);
        return [.. bytes];
    }
}
