using System.Buffers.Binary;
using System.Formats.Asn1;
using System.Text;
using System.Text.Unicode;

namespace Spiffe.Net;

/// <summary>
/// Compares distinguished names in DER. Names chain, and a subtree permits, only byte for byte: narrower than RFC 5280 §7.1, which folds case and
/// space, so nobody is let in by a reading of ours. What excludes is compared the wide way, for the same reason.
/// </summary>
internal static class DistinguishedName
{
    private const int MaxAttributes = 32;

    public static bool IsEmpty(ReadOnlySpan<byte> name) => name is [0x30, 0x00];

    /// <summary>Reads a Name and checks its shape: a SEQUENCE of SETs of type and value. Throws <see cref="AsnContentException"/>.</summary>
    public static ReadOnlyMemory<byte> Read(AsnReader reader)
    {
        var name = reader.ReadEncodedValue();
        var parts = Content(name.Span);
        var attributes = 0;
        while (!parts.IsEmpty)
        {
            var part = Next(ref parts, Asn1Tag.SetOf);
            if (part.IsEmpty) throw new AsnContentException("a name has an empty part");
            while (!part.IsEmpty)
            {
                var pair = Next(ref part, Asn1Tag.Sequence);
                Next(ref pair, Asn1Tag.ObjectIdentifier);
                var kind = AsnDecoder.ReadEncodedValue(pair, AsnEncodingRules.DER, out var offset, out var length, out var consumed);
                if (consumed != pair.Length || ++attributes > MaxAttributes) throw new AsnContentException("a name has bytes after a value, or too many parts");
                CheckValue(kind, pair.Slice(offset, length));
            }
        }

        return name;
    }

    /// <summary>True when the name begins with exactly the relative names of <paramref name="subtree"/> (RFC 5280 §4.2.1.10).</summary>
    public static bool IsWithinExactly(ReadOnlySpan<byte> name, ReadOnlySpan<byte> subtree) => Content(name).StartsWith(Content(subtree));

    /// <summary>True unless the name surely does not begin with <paramref name="subtree"/>: case, spaces and string types do not tell names apart.</summary>
    public static bool MayBeWithin(ReadOnlySpan<byte> name, ReadOnlySpan<byte> subtree)
    {
        var (own, limits) = (Split(name), Split(subtree));
        if (own.Count < limits.Count) return false;
        for (var i = 0; i < limits.Count; i++)
        {
            if (!limits[i].TrueForAll(limit => own[i].Exists(limit.MayEqual))) return false;
        }

        return true;
    }

    /// <summary>True when an attribute of this type (dotted) is in the name.</summary>
    public static bool Contains(ReadOnlySpan<byte> name, string type) => Split(name).Exists(part => part.Exists(attribute => attribute.Type == type));

    // RFC 5280 §4.1.2.4 and appendix A: texts of these kinds, and the bits and lists that a few attributes are of. Other libraries read no certificate with another
    // kind, nor one with text that is none.
    private static void CheckValue(Asn1Tag kind, ReadOnlySpan<byte> value)
    {
        var isReadable = kind.TagClass is TagClass.Universal && (UniversalTagNumber)kind.TagValue switch
        {
            UniversalTagNumber.PrintableString or UniversalTagNumber.IA5String or UniversalTagNumber.T61String or UniversalTagNumber.NumericString => true,
            UniversalTagNumber.UTF8String => Utf8.IsValid(value),
            UniversalTagNumber.BMPString => HasOnlyCharacters(value, 2),
            UniversalTagNumber.UniversalString => HasOnlyCharacters(value, 4),
            UniversalTagNumber.BitString or UniversalTagNumber.Sequence => true,
            _ => false,
        };
        if (!isReadable) throw new AsnContentException("a name has a value of a kind that names have not, or one that is no text");
    }

    // Numbers of this many bytes, most significant first, each of a character: surrogates stand for none by themselves.
    private static bool HasOnlyCharacters(ReadOnlySpan<byte> value, int size)
    {
        if (value.Length % size != 0) return false;
        for (; !value.IsEmpty; value = value[size..])
        {
            var number = size == 2 ? BinaryPrimitives.ReadUInt16BigEndian(value) : BinaryPrimitives.ReadUInt32BigEndian(value);
            if (!Rune.IsValid(number)) return false;
        }

        return true;
    }

    private static ReadOnlySpan<byte> Content(ReadOnlySpan<byte> name)
    {
        var content = Next(ref name, Asn1Tag.Sequence);
        return name.IsEmpty ? content : throw new AsnContentException("there are bytes after a name");
    }

    private static ReadOnlySpan<byte> Next(scoped ref ReadOnlySpan<byte> rest, Asn1Tag expected)
    {
        var tag = AsnDecoder.ReadEncodedValue(rest, AsnEncodingRules.DER, out var offset, out var length, out var consumed);
        if (tag != expected) throw new AsnContentException("a name has another shape");
        var content = rest.Slice(offset, length);
        rest = rest[consumed..];
        return content;
    }

    private static List<List<Attribute>> Split(ReadOnlySpan<byte> name)
    {
        List<List<Attribute>> parts = [];
        var rest = Content(name);
        while (!rest.IsEmpty)
        {
            var part = Next(ref rest, Asn1Tag.SetOf);
            List<Attribute> attributes = [];
            while (!part.IsEmpty) attributes.Add(Attribute.Read(Next(ref part, Asn1Tag.Sequence)));
            parts.Add(attributes);
        }

        return parts;
    }

    /// <param name="Value">The encoded value.</param>
    /// <param name="Folded">Text to compare by; null when only the bytes can be compared.</param>
    /// <param name="IsOpaque">Text that could equal other text in ways nothing here can tell: an old character set, letters beyond ASCII, or bytes that are no text.</param>
    private sealed record Attribute(string Type, byte[] Value, string? Folded, bool IsOpaque)
    {
        public static Attribute Read(ReadOnlySpan<byte> pair)
        {
            var type = AsnDecoder.ReadObjectIdentifier(pair, AsnEncodingRules.DER, out var consumed);
            var value = pair[consumed..];
            var tag = Asn1Tag.Decode(value, out _);
            if (tag.TagClass is not TagClass.Universal) return new Attribute(type, value.ToArray(), null, false);
            switch ((UniversalTagNumber)tag.TagValue)
            {
                case UniversalTagNumber.UTF8String or UniversalTagNumber.PrintableString or UniversalTagNumber.IA5String or UniversalTagNumber.BMPString:
                    var text = ReadText(value, (UniversalTagNumber)tag.TagValue);
                    return new Attribute(type, value.ToArray(), text is null ? null : Fold(text), text is null || !Ascii.IsValid(text));
                case UniversalTagNumber.T61String or UniversalTagNumber.UniversalString:
                    return new Attribute(type, value.ToArray(), null, true);
                default:
                    return new Attribute(type, value.ToArray(), null, false);
            }
        }

        public bool MayEqual(Attribute other) =>
            Type == other.Type
            && (IsOpaque || other.IsOpaque || Value.AsSpan().SequenceEqual(other.Value) || (Folded is not null && Folded == other.Folded));

        // Null when the bytes are not of their type, as the underscore that many write into a PrintableString: what they mean is then anyone's guess.
        private static string? ReadText(ReadOnlySpan<byte> value, UniversalTagNumber type)
        {
            try
            {
                return AsnDecoder.ReadCharacterString(value, AsnEncodingRules.DER, type, out _);
            }
            catch (AsnContentException)
            {
                return null;
            }
        }

        // RFC 5280 §7.1: one case, no space at the ends, one space between words.
        private static string Fold(string text) =>
            string.Join(' ', text.ToUpperInvariant().Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
    }
}
