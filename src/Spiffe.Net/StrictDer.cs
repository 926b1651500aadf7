using System.Formats.Asn1;

namespace Spiffe.Net;

/// <summary>
/// Walks a whole encoding and insists on DER all the way down (X.690 §§8-11), where a reader that wants one field leaves the rest unread: shortest
/// lengths and integers, booleans of 00 or FF, sorted sets, no constructed strings. Two encodings of one certificate would be two names for one thing.
/// </summary>
internal static class StrictDer
{
    // A certificate nests to about nine levels; a crafted one must not exhaust the stack.
    private const int MaxDepth = 16;

    // Real object identifiers have under twenty bytes.
    private const int MaxObjectIdentifierLength = 64;

    /// <summary>Throws <see cref="AsnContentException"/> when anything in the bytes, which may hold several values, is not DER.</summary>
    public static void Check(ReadOnlySpan<byte> encoded, int depth = 0)
    {
        if (depth > MaxDepth) throw new AsnContentException("the encoding is nested too deeply");
        while (!encoded.IsEmpty)
        {
            var tag = AsnDecoder.ReadEncodedValue(encoded, AsnEncodingRules.DER, out var offset, out var length, out var consumed);
            if (tag.IsConstructed) CheckConstructed(tag, encoded[..consumed], encoded.Slice(offset, length), depth);
            else CheckPrimitive(tag, encoded[..consumed], encoded.Slice(offset, length));
            encoded = encoded[consumed..];
        }
    }

    private static void CheckConstructed(Asn1Tag tag, ReadOnlySpan<byte> value, ReadOnlySpan<byte> content, int depth)
    {
        if (tag == Asn1Tag.SetOf) AsnDecoder.ReadSetOf(value, AsnEncodingRules.DER, out _, out _, out _);
        else if (tag.TagClass is TagClass.Universal && tag != Asn1Tag.Sequence) throw new AsnContentException("a string is in pieces");
        Check(content, depth + 1);
    }

    private static void CheckPrimitive(Asn1Tag tag, ReadOnlySpan<byte> value, ReadOnlySpan<byte> content)
    {
        if (tag.TagClass is not TagClass.Universal) return;
        switch ((UniversalTagNumber)tag.TagValue)
        {
            case UniversalTagNumber.Boolean:
                AsnDecoder.ReadBoolean(value, AsnEncodingRules.DER, out _);
                break;
            case UniversalTagNumber.Integer:
                AsnDecoder.ReadIntegerBytes(value, AsnEncodingRules.DER, out _);
                break;
            case UniversalTagNumber.BitString:
                if (!AsnDecoder.TryReadPrimitiveBitString(value, AsnEncodingRules.DER, out _, out _, out _)) throw new AsnContentException("a bit string is in pieces");
                break;
            case UniversalTagNumber.Null:
                AsnDecoder.ReadNull(value, AsnEncodingRules.DER, out _);
                break;
            case UniversalTagNumber.ObjectIdentifier:
                CheckObjectIdentifier(content);
                break;
            case UniversalTagNumber.Sequence or UniversalTagNumber.SetOf:
                throw new AsnContentException("a sequence is primitive");
        }
    }

    // X.690 §8.19: each number is in groups of seven bits, the shortest way, and the last one is finished.
    private static void CheckObjectIdentifier(ReadOnlySpan<byte> content)
    {
        if (content.IsEmpty || content.Length > MaxObjectIdentifierLength || content[^1] >= 0x80) throw new AsnContentException("an object identifier is malformed");
        var isFirst = true;
        foreach (var part in content)
        {
            if (isFirst && part == 0x80) throw new AsnContentException("an object identifier has leading zeros");
            isFirst = part < 0x80;
        }
    }
}
