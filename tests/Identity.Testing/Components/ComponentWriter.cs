using System.Text;

namespace Identity.Testing.Components;

/// <summary>Writes component binaries by hand, well-formed or not (component model, Binary.md).</summary>
public sealed class ComponentWriter
{
    public static readonly byte[] Preamble = [0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00];

    public static readonly byte[] InstanceKind = [0x05, 0x00];

    private readonly List<byte> _bytes = [.. Preamble];

    public byte[] ToArray() => [.. _bytes];

    public ComponentWriter Section(byte id, params byte[] content)
    {
        _bytes.AddRange([id, .. Number((uint)content.Length), .. content]);
        return this;
    }

    public ComponentWriter Imports(params byte[][] imports) => Section(10, [.. Number((uint)imports.Length), .. imports.SelectMany(import => import)]);

    public ComponentWriter Instances(params string[] names) => Imports([.. names.Select(name => Import(name, InstanceKind))]);

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
