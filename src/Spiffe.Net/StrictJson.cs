using System.Diagnostics.CodeAnalysis;
using System.Text.Json;

namespace Spiffe.Net;

/// <summary>JSON in which no member is given twice: two readers of one document must not see two meanings.</summary>
internal static class StrictJson
{
    private static readonly JsonDocumentOptions Options = new() { AllowDuplicateProperties = false, MaxDepth = 16 };

    /// <param name="json">UTF-8; the document refers to it until disposed.</param>
    public static bool TryParseObject(ReadOnlyMemory<byte> json, [NotNullWhen(true)] out JsonDocument? document)
    {
        document = null;
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
    public static string? GetString(JsonElement element, string member)
    {
        try
        {
            return element.TryGetProperty(member, out var value) && value.ValueKind is JsonValueKind.String ? value.GetString() : null;
        }
        catch (InvalidOperationException)
        {
            // A string of broken UTF-16 escapes, such as "\ud800", has no value.
            return null;
        }
    }

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
}
