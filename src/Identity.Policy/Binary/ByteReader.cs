using System.Text;
using System.Text.Unicode;

namespace Identity.Policy.Binary;

/// <summary>The bytes do not follow the component model's binary format, or go beyond what is read. The message is fit for a stranger.</summary>
internal sealed class MalformedComponentException(string message) : Exception(message);

/// <summary>Takes the primitive values of the binary format from the front of some bytes; throws <see cref="MalformedComponentException"/> when they are none.</summary>
internal ref struct ByteReader(ReadOnlySpan<byte> bytes)
{
    private const int MaxNameLength = 1_024;

    private ReadOnlySpan<byte> _rest = bytes;

    public readonly ReadOnlySpan<byte> Rest => _rest;

    public readonly bool IsAtEnd => _rest.IsEmpty;

    public byte Byte() => Bytes(1)[0];

    public readonly byte Peek() => _rest.IsEmpty ? throw CutOff() : _rest[0];

    public ReadOnlySpan<byte> Bytes(uint count)
    {
        if (count > (uint)_rest.Length) throw CutOff();
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

        throw new MalformedComponentException("a number in the component is longer than 32 bits");
    }

    // LEB128, 32 bits, where one spelling only is taken.
    public uint Minimal()
    {
        var before = _rest;
        var value = Unsigned();
        var taken = before.Length - _rest.Length;
        return taken == 1 || before[taken - 1] != 0 ? value : throw new MalformedComponentException("a number is spelt longer than needed where signatures are");
    }

    /// <param name="what">Begins the message when it is none: <c>the name of an import</c>.</param>
    public string Text(string what) => Encoding.UTF8.GetString(TextBytes(what));

    /// <summary>The same without making a string of it.</summary>
    public void SkipText(string what) => TextBytes(what);

    /// <summary>A name with its form before it.</summary>
    public string Name(string what)
    {
        var form = Byte();
        // Form 2 carries annotations (implements, version suffix, external id) that could mean another name than the one shown.
        return form is 0x00 or 0x01
            ? Text(what)
            : throw new MalformedComponentException($"{what} has the form {form}; annotated names are not supported");
    }

    private ReadOnlySpan<byte> TextBytes(string what)
    {
        var length = Unsigned();
        if (length > MaxNameLength) throw new MalformedComponentException($"{what} has {length} bytes; at most {MaxNameLength} are allowed");
        var text = Bytes(length);
        return Utf8.IsValid(text) ? text : throw new MalformedComponentException($"{what} is not UTF-8");
    }

    private static MalformedComponentException CutOff() => new("the component is cut off");
}
