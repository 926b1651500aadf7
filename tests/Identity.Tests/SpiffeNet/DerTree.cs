namespace Identity.Tests.SpiffeNet;

/// <summary>An encoding taken apart, so that a test can put it together wrongly.</summary>
internal sealed class DerTree
{
    private readonly List<DerTree> _children = [];

    private DerTree(byte tag) => Tag = tag;

    public byte Tag { get; set; }

    /// <summary>What a primitive holds.</summary>
    public byte[] Content { get; set; } = [];

    public List<DerTree> Children => _children;

    /// <summary>Writes the length with one byte more than needed, as BER allows.</summary>
    public bool HasLongLength { get; set; }

    /// <summary>Writes no length but an end, as BER allows.</summary>
    public bool HasIndefiniteLength { get; set; }

    public DerTree this[int index]
    {
        get => _children[index];
        set => _children[index] = value;
    }

    public int Count => _children.Count;

    public static DerTree Parse(ReadOnlySpan<byte> encoded)
    {
        var (offset, length) = ReadLength(encoded);
        var tree = new DerTree(encoded[0]);
        var content = encoded.Slice(offset, length);
        if ((tree.Tag & 0x20) == 0) tree.Content = content.ToArray();
        else
        {
            while (!content.IsEmpty)
            {
                var (start, size) = ReadLength(content);
                tree._children.Add(Parse(content[..(start + size)]));
                content = content[(start + size)..];
            }
        }

        return tree;
    }

    public static DerTree Primitive(byte tag, params byte[] content) => new(tag) { Content = content };

    public static byte[] Spoil(byte[] encoded, Action<DerTree>? change)
    {
        if (change is null) return encoded;
        var tree = Parse(encoded);
        change(tree);
        return tree.Encode();
    }

    public byte[] Encode()
    {
        byte[] content = (Tag & 0x20) == 0 ? Content : [.. _children.SelectMany(child => child.Encode())];
        if (HasIndefiniteLength) return [Tag, 0x80, .. content, 0, 0];
        var proper = Encode(Tag, content);
        if (!HasLongLength) return proper;
        return proper[1] < 0x80 ? [Tag, 0x81, .. proper.AsSpan(1)] : [Tag, (byte)(proper[1] + 1), 0, .. proper.AsSpan(2)];
    }

    public static byte[] Encode(byte tag, byte[] content) => content.Length switch
    {
        < 0x80 => [tag, (byte)content.Length, .. content],
        < 0x100 => [tag, 0x81, (byte)content.Length, .. content],
        _ => [tag, 0x82, (byte)(content.Length >> 8), (byte)content.Length, .. content],
    };

    private static (int Offset, int Length) ReadLength(ReadOnlySpan<byte> encoded) => encoded[1] switch
    {
        0x81 => (3, encoded[2]),
        0x82 => (4, (encoded[2] << 8) | encoded[3]),
        var length => (2, length),
    };
}
