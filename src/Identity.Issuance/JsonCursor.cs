using System.Text.Json;

namespace Identity.Issuance;

/// <summary>
/// Walks JSON that must have exactly these members in this order: what is missing, added, given twice, of another type or another value gives false.
/// Throws <see cref="JsonException"/> or <see cref="InvalidOperationException"/> where it meets what is not JSON or not Unicode.
/// </summary>
internal ref struct JsonCursor(ReadOnlySpan<byte> utf8)
{
    private readonly int _length = utf8.Length;
    private Utf8JsonReader _reader = new(utf8);

    public bool TryOpen() => _reader.Read() && _reader.TokenType is JsonTokenType.StartObject;

    public bool TryOpen(ReadOnlySpan<byte> name) => TryReadName(name) && TryOpen();

    public bool TryClose() => _reader.Read() && _reader.TokenType is JsonTokenType.EndObject;

    public readonly bool IsAtEnd => _reader.BytesConsumed == _length;

    public bool TryReadText(ReadOnlySpan<byte> name, string expected) => TryReadName(name) && TryReadText(expected);

    public bool TryReadTexts(ReadOnlySpan<byte> name, IReadOnlyList<string> expected)
    {
        if (!TryReadName(name) || !_reader.Read() || _reader.TokenType is not JsonTokenType.StartArray) return false;
        for (var i = 0; i < expected.Count; i++)
        {
            if (!TryReadText(expected[i])) return false;
        }

        return _reader.Read() && _reader.TokenType is JsonTokenType.EndArray;
    }

    public bool TryReadNumber(ReadOnlySpan<byte> name, long expected) =>
        TryReadName(name) && _reader.Read() && _reader.TokenType is JsonTokenType.Number && _reader.TryGetInt64(out var number) && number == expected;

    private bool TryReadName(ReadOnlySpan<byte> name) => _reader.Read() && _reader.TokenType is JsonTokenType.PropertyName && _reader.ValueTextEquals(name);

    private bool TryReadText(string expected) => _reader.Read() && _reader.TokenType is JsonTokenType.String && _reader.ValueTextEquals(expected);
}
