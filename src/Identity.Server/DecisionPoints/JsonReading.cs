using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Text.Json;
using Identity.Server.Registration;

namespace Identity.Server.DecisionPoints;

/// <summary>How much JSON a stranger may make us read.</summary>
/// <param name="MaxBytes">Of the whole text.</param>
/// <param name="MaxDepth">Of objects and arrays in each other.</param>
internal readonly record struct JsonBounds(int MaxBytes, int MaxDepth);

/// <summary>
/// Reads a JSON document field by field and remembers the first thing that is wrong, with its path. Stricter than RFC 8259 asks: valid
/// UTF-8 and Unicode only, no member twice in one object, no comments (I-JSON, RFC 7493 §2). After the reading <see cref="Problem"/> must
/// be looked at; what was read is worth nothing while there is one. No value of the document is in a problem, only names, quoted.
/// </summary>
internal sealed class JsonReading
{
    /// <summary>Members of one object, or elements of one array.</summary>
    public const int MaxCount = 1024;

    /// <summary>What is wrong, as the end of a sentence; null while nothing is.</summary>
    public string? Problem { get; private set; }

    /// <summary>Parses a text whose top is an object.</summary>
    public static bool TryParse(
        ReadOnlyMemory<byte> text, JsonBounds bounds, [NotNullWhen(true)] out JsonDocument? document, [NotNullWhen(false)] out string? problem)
    {
        document = null;
        if (text.Length == 0)
        {
            problem = "the body is empty; expected a JSON object";
            return false;
        }

        if (text.Length > bounds.MaxBytes)
        {
            problem = $"the body has {text.Length} bytes; at most {bounds.MaxBytes} are read";
            return false;
        }

        try
        {
            // The reader looks at escapes only when a string is asked for, so bytes and escapes are checked here, once.
            FindBadText(text.Span, bounds.MaxDepth);
            document = JsonDocument.Parse(text, new JsonDocumentOptions { MaxDepth = bounds.MaxDepth, AllowDuplicateProperties = false });
            if (document.RootElement.ValueKind is JsonValueKind.Object)
            {
                problem = null;
                return true;
            }

            document.Dispose();
            document = null;
            problem = "the body is not a JSON object";
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or DecoderFallbackException)
        {
            problem = $"the body is not JSON that can be read in one way only (UTF-8, depth at most {bounds.MaxDepth}, no member twice)";
        }

        return false;
    }

    /// <summary>An object member; null when it is absent or JSON null, which is a problem when it is required.</summary>
    public JsonElement? Object(JsonElement? parent, string path, string name, bool required = false) =>
        Member(parent, path, name, JsonValueKind.Object, "an object", required);

    /// <summary>A text member; null when it is absent or JSON null. A required one must not be empty.</summary>
    public string? Text(JsonElement? parent, string path, string name, int maxLength, bool required = false)
    {
        if (Member(parent, path, name, JsonValueKind.String, "a text", required) is not { } member) return null;
        var text = member.GetString()!;
        if (text.Length > maxLength) Fail(path, name, $"has {text.Length} characters; at most {maxLength} are read");
        else if (required && text.Length == 0) Fail(path, name, "is empty");
        return Problem is null ? text : null;
    }

    public bool Bool(JsonElement? parent, string path, string name)
    {
        if (Find(parent, path, name) is not { } member) return false;
        if (member.ValueKind is JsonValueKind.True or JsonValueKind.False) return member.GetBoolean();
        Fail(path, name, "is not true or false");
        return false;
    }

    /// <summary>A whole number of 64 bits, also as protojson writes one: in quotation marks.</summary>
    public long? Number(JsonElement? parent, string path, string name)
    {
        if (Find(parent, path, name) is not { } member) return null;
        if (member.ValueKind is JsonValueKind.Number && member.TryGetInt64(out var number)) return number;
        if (member.ValueKind is JsonValueKind.String
            && long.TryParse(member.GetString(), System.Globalization.NumberStyles.AllowLeadingSign, System.Globalization.CultureInfo.InvariantCulture, out number)) return number;
        Fail(path, name, "is not a whole number");
        return null;
    }

    /// <summary>The texts of an array member; none when it is absent or JSON null.</summary>
    public IReadOnlyList<string> Texts(JsonElement? parent, string path, string name, int maxLength)
    {
        var texts = new List<string>();
        foreach (var element in Elements(parent, path, name))
        {
            if (element.ValueKind is not JsonValueKind.String) Fail(path, name, "has an element that is not a text");
            else if (element.GetString() is { } text && text.Length <= maxLength) texts.Add(text);
            else Fail(path, name, $"has a text of more than {maxLength} characters");
        }

        return texts;
    }

    /// <summary>The objects of an array member; none when it is absent or JSON null.</summary>
    public IReadOnlyList<JsonElement> Objects(JsonElement? parent, string path, string name)
    {
        var objects = new List<JsonElement>();
        foreach (var element in Elements(parent, path, name))
        {
            if (element.ValueKind is JsonValueKind.Object) objects.Add(element);
            else Fail(path, name, "has an element that is not an object");
        }

        return objects;
    }

    /// <summary>The names of an object whose values are texts, such as configuration; the values are not kept.</summary>
    public IReadOnlyList<string> KeysOfTexts(JsonElement? parent, string path, string name, int maxLength)
    {
        var keys = new List<string>();
        if (Object(parent, path, name) is not { } map) return keys;
        foreach (var member in map.EnumerateObject())
        {
            if (keys.Count == MaxCount) Fail(path, name, $"has more than {MaxCount} members");
            else if (member.Value.ValueKind is not JsonValueKind.String) Fail(path, name, "has a value that is not a text");
            else if (member.Name.Length is 0 || member.Name.Length > maxLength) Fail(path, name, $"has a name that is empty or has more than {maxLength} characters");
            else keys.Add(member.Name);
            if (Problem is not null) break;
        }

        return keys;
    }

    /// <summary>Refuses an object that has a member we do not know: it may ask for something we would not see.</summary>
    public void Only(JsonElement? of, string path, params ReadOnlySpan<string> known)
    {
        if (of is not { ValueKind: JsonValueKind.Object } element) return;
        foreach (var member in element.EnumerateObject())
        {
            if (!known.Contains(member.Name)) Fail($"{Prefix(path)}{Quote.From(member.Name)} is not known here, and may ask for more than can be checked");
        }
    }

    public void Fail(string problem) => Problem ??= problem;

    private void Fail(string path, string name, string problem) => Fail($"{Prefix(path)}{name} {problem}");

    private static string Prefix(string path) => path.Length == 0 ? "" : path + ".";

    private IEnumerable<JsonElement> Elements(JsonElement? parent, string path, string name)
    {
        if (Member(parent, path, name, JsonValueKind.Array, "a list", required: false) is not { } array) yield break;
        if (array.GetArrayLength() > MaxCount)
        {
            Fail(path, name, $"has {array.GetArrayLength()} elements; at most {MaxCount} are read");
            yield break;
        }

        foreach (var element in array.EnumerateArray()) yield return element;
    }

    private JsonElement? Member(JsonElement? parent, string path, string name, JsonValueKind kind, string expected, bool required)
    {
        var found = Find(parent, path, name);
        if (found is { } member && member.ValueKind != kind) Fail(path, name, $"is not {expected}");
        else if (found is null && required) Fail(path, name, "is missing");
        return found?.ValueKind == kind ? found : null;
    }

    private JsonElement? Find(JsonElement? parent, string path, string name)
    {
        if (parent is not { } element) return null;
        if (element.ValueKind is not JsonValueKind.Object)
        {
            Fail($"{(path.Length == 0 ? "the body" : path)} is not an object");
            return null;
        }

        return element.TryGetProperty(name, out var member) && member.ValueKind is not JsonValueKind.Null ? member : null;
    }

    private static void FindBadText(ReadOnlySpan<byte> text, int maxDepth)
    {
        var reader = new Utf8JsonReader(text, new JsonReaderOptions { MaxDepth = maxDepth });
        while (reader.Read())
        {
            if (reader.TokenType is JsonTokenType.String or JsonTokenType.PropertyName) reader.GetString();
        }
    }
}
