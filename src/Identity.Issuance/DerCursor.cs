using System.Formats.Asn1;

namespace Identity.Issuance;

/// <summary>Walks DER without allocating; what is not there, not DER or of another tag gives false.</summary>
internal ref struct DerCursor(ReadOnlySpan<byte> bytes)
{
    private ReadOnlySpan<byte> _rest = bytes;

    public readonly bool IsAtEnd => _rest.IsEmpty;

    /// <summary>The content of the next value, which must have this one-byte tag.</summary>
    public bool TryRead(byte tag, out ReadOnlySpan<byte> content)
    {
        content = default;
        if (_rest.IsEmpty || _rest[0] != tag) return false;
        if (!AsnDecoder.TryReadEncodedValue(_rest, AsnEncodingRules.DER, out _, out var offset, out var length, out var consumed)) return false;
        content = _rest.Slice(offset, length);
        _rest = _rest[consumed..];
        return true;
    }

    /// <summary>Steps over the next value when its whole encoding, tag and length included, is this.</summary>
    public bool TrySkip(ReadOnlySpan<byte> encoded)
    {
        if (!_rest.StartsWith(encoded)) return false;
        _rest = _rest[encoded.Length..];
        return true;
    }
}
