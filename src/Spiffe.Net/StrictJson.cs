using System.Diagnostics.CodeAnalysis;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Unicode;

namespace Spiffe.Net;

/// <summary>JSON in which no member is given twice and every text is Unicode: two readers of one document must not see two meanings.</summary>
internal static class StrictJson
{
    private const int MaxDepth = 16;

    private static readonly JsonDocumentOptions Options = new() { AllowDuplicateProperties = false, MaxDepth = MaxDepth };

    /// <param name="json">UTF-8; the document refers to it until disposed.</param>
    public static bool TryParseObject(ReadOnlyMemory<byte> json, [NotNullWhen(true)] out JsonDocument? document)
    {
        document = null;

        // Checked here, so that no later look at a name or a value meets text that has no meaning.
        if (!Utf8.IsValid(json.Span) || !HasWholeEscapes(json.Span)) return false;
        try
        {
            var parsed = JsonDocument.Parse(json, Options);
            if (parsed.RootElement.ValueKind is JsonValueKind.Object) document = parsed;
            else parsed.Dispose();
        }
        catch (JsonException)
        {
            // Answered by the return value.
        }

        return document is not null;
    }

    /// <summary>Null when the member is absent or is not a string.</summary>
    public static string? GetString(JsonElement element, string member) =>
        element.TryGetProperty(member, out var value) && value.ValueKind is JsonValueKind.String ? value.GetString() : null;

    /// <summary>Absent is fine and gives null; present and unusable is not.</summary>
    public static bool TryGetNumericDate(JsonElement element, string member, out DateTimeOffset? time)
    {
        time = null;
        if (!element.TryGetProperty(member, out var value)) return true;

        // RFC 7519 §2: NumericDate may have a fraction. Years beyond 9999 are nonsense and would overflow; so would 1e999, which reads as infinity.
        if (value.ValueKind is not JsonValueKind.Number || !value.TryGetDouble(out var seconds) || seconds is not (>= 0 and < 253402300800)) return false;
        time = DateTimeOffset.FromUnixTimeMilliseconds((long)(seconds * 1000));
        return true;
    }

    /// <summary>Absent is fine and gives null; present and not a string is not.</summary>
    public static bool TryGetOptionalString(JsonElement element, string member, out string? text)
    {
        text = GetString(element, member);
        return text is not null || !element.TryGetProperty(member, out _);
    }

    /// <summary>The text as it stands: the base library would write the plus sign of a media type as \u002B, which simple readers do not know.</summary>
    public static JsonEncodedText Plainly(string text) => JsonEncodedText.Encode(text, JavaScriptEncoder.UnsafeRelaxedJsonEscaping);

    // Half a surrogate pair, as in "\ud800", is a legal escape but no character; the base library throws only when it is read.
    private static bool HasWholeEscapes(ReadOnlySpan<byte> json)
    {
        if (!json.Contains((byte)'\\')) return true;
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = MaxDepth });
        try
        {
            while (reader.Read())
            {
                if (reader.ValueIsEscaped && reader.TokenType is JsonTokenType.String or JsonTokenType.PropertyName) _ = reader.GetString();
            }

            return true;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return false;
        }
    }
}
