using System.Text.Json;
using System.Text.RegularExpressions;
using YamlDotNet.RepresentationModel;

namespace Identity.Policy.Tests.Language;

/// <summary>
/// Judges YAML by the part of JSON Schema 2020-12 that docs/policy.schema.json uses. A keyword it does not know fails the test, so that no
/// constraint of the schema goes unjudged.
/// </summary>
internal sealed class SmallSchema(JsonElement root)
{
    private static readonly string[] Notes = ["$schema", "$id", "title", "description", "$defs", "then", "else", "required", "properties"];

    public bool Accepts(YamlNode node) => Accepts(root, node);

    private bool Accepts(JsonElement schema, YamlNode node)
    {
        if (schema.ValueKind == JsonValueKind.False) return false;
        if (schema.ValueKind == JsonValueKind.True) return true;
        return schema.EnumerateObject().All(keyword => Accepts(schema, keyword.Name, keyword.Value, node));
    }

    private bool Accepts(JsonElement schema, string keyword, JsonElement value, YamlNode node) => keyword switch
    {
        "$ref" => Accepts(Resolve(value.GetString()!), node),
        "oneOf" => value.EnumerateArray().Count(one => Accepts(one, node)) == 1,
        "anyOf" => value.EnumerateArray().Any(one => Accepts(one, node)),
        "allOf" => value.EnumerateArray().All(one => Accepts(one, node)),
        "not" => !Accepts(value, node),
        "if" => !schema.TryGetProperty(Accepts(value, node) ? "then" : "else", out var branch) || Accepts(branch, node),
        "const" => Equals(value, node),
        "enum" => value.EnumerateArray().Any(one => Equals(one, node)),
        "type" => IsOf(value.GetString()!, node),
        "minLength" => Text(node) is not { } text || text.Length >= value.GetInt32(),
        "maxLength" => Text(node) is not { } text || text.Length <= value.GetInt32(),
        "pattern" => Text(node) is not { } text || Regex.IsMatch(text, value.GetString()!, RegexOptions.ECMAScript | RegexOptions.None),
        "minimum" => !IsOf("integer", node) || long.Parse(Text(node)!, System.Globalization.CultureInfo.InvariantCulture) >= value.GetInt64(),
        "maximum" => !IsOf("integer", node) || long.Parse(Text(node)!, System.Globalization.CultureInfo.InvariantCulture) <= value.GetInt64(),
        "items" => node is not YamlSequenceNode list || list.All(item => Accepts(value, item)),
        "contains" => node is not YamlSequenceNode list || list.Any(item => Accepts(value, item)),
        "minItems" => node is not YamlSequenceNode list || list.Children.Count >= value.GetInt32(),
        "maxItems" => node is not YamlSequenceNode list || list.Children.Count <= value.GetInt32(),
        "uniqueItems" => node is not YamlSequenceNode list || list.Children.Select(Written).Distinct().Count() == list.Children.Count,
        "minProperties" => node is not YamlMappingNode fields || fields.Children.Count >= value.GetInt32(),
        "maxProperties" => node is not YamlMappingNode fields || fields.Children.Count <= value.GetInt32(),
        "propertyNames" => node is not YamlMappingNode fields || fields.Children.Keys.All(name => Accepts(value, name)),
        "dependentRequired" => node is not YamlMappingNode fields || value.EnumerateObject().All(one =>
            !Has(fields, one.Name) || one.Value.EnumerateArray().All(needed => Has(fields, needed.GetString()!))),
        "additionalProperties" => node is not YamlMappingNode fields || fields.Children.All(field =>
            (schema.TryGetProperty("properties", out var known) && known.TryGetProperty(Text(field.Key)!, out _)) || Accepts(value, field.Value)),
        _ when Notes.Contains(keyword) => keyword switch
        {
            "required" => node is not YamlMappingNode fields || value.EnumerateArray().All(name => Has(fields, name.GetString()!)),
            "properties" => node is not YamlMappingNode fields || fields.Children.All(field => !value.TryGetProperty(Text(field.Key)!, out var one) || Accepts(one, field.Value)),
            _ => true,
        },
        _ => throw new NotSupportedException($"the keyword '{keyword}' is not judged"),
    };

    private JsonElement Resolve(string reference) => reference["#/".Length..].Split('/').Aggregate(root, (at, name) => at.GetProperty(name));

    private static bool Has(YamlMappingNode fields, string name) => fields.Children.Keys.Any(key => Text(key) == name);

    // In JSON the order of fields says nothing.
    private static string Written(YamlNode node) => node switch
    {
        YamlMappingNode fields => $"{{{string.Join(',', fields.Children.Select(field => $"{Text(field.Key)}:{Written(field.Value)}").Order(StringComparer.Ordinal))}}}",
        YamlSequenceNode list => $"[{string.Join(',', list.Children.Select(Written))}]",
        _ => $"'{Text(node)}'",
    };

    private static string? Text(YamlNode node) => (node as YamlScalarNode)?.Value;

    private static bool Equals(JsonElement value, YamlNode node) => Text(node) is { } text && text == value.GetString();

    // A plain scalar of digits is a number in YAML and JSON, and text to our reader alike.
    private static bool IsOf(string type, YamlNode node) => type switch
    {
        "object" => node is YamlMappingNode,
        "array" => node is YamlSequenceNode,
        "integer" => node is YamlScalarNode { Style: YamlDotNet.Core.ScalarStyle.Plain, Value: { } text } && long.TryParse(text, out _),
        _ => node is YamlScalarNode { Value: { } text } && !(text.Length == 0 || text is "~" or "null"),
    };
}
