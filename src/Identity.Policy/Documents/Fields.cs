using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;

namespace Identity.Policy.Documents;

/// <summary>The fields of one mapping, each of which must be known. Every getter reports what is wrong and returns null.</summary>
internal sealed class Fields
{
    private readonly DocumentNode.Mapping _mapping;
    private readonly ProblemList _problems;
    private readonly string _what;

    private Fields(DocumentNode.Mapping mapping, ProblemList problems, string what) => (_mapping, _problems, _what) = (mapping, problems, what);

    public delegate bool Parse<T>(string text, [NotNullWhen(true)] out T? value, [NotNullWhen(false)] out string? problem);

    /// <param name="what">The thing in a message, with its article: "a rule".</param>
    public static Fields? Of(DocumentNode node, ProblemList problems, string what, ReadOnlySpan<string> known)
    {
        var list = string.Join(", ", known);
        if (node is not DocumentNode.Mapping mapping)
        {
            problems.Add(node, $"expected {what} with the fields {list}, found {node.Describe()}");
            return null;
        }

        foreach (var (key, _) in mapping.Fields)
        {
            if (!known.Contains(key.Text))
                problems.Add(key, $"unknown field {Quoted.From(key.Text)} in {what}; expected one of {list}", NearestWord.Of(key.Text, known.ToArray()));
        }

        return new Fields(mapping, problems, what);
    }

    public bool IsEmpty => _mapping.Fields.Count == 0;

    public DocumentNode? Optional(string name)
    {
        foreach (var (key, value) in _mapping.Fields)
        {
            if (key.Text == name) return value;
        }

        return null;
    }

    public DocumentNode? Required(string name, string expected)
    {
        var value = Optional(name);
        if (value is null) _problems.Add(_mapping, $"{_what} lacks the field '{name}'; expected {expected}");
        return value;
    }

    /// <summary>The items of a list that must be there and must not be empty.</summary>
    public IReadOnlyList<DocumentNode>? RequiredList(string name, string expected, int most)
    {
        if (Required(name, expected) is not { } node) return null;
        var items = (node as DocumentNode.Sequence)?.Items;
        if (items is { Count: > 0 } && items.Count <= most) return items;
        _problems.Add(node, items is { Count: > 0 }
            ? $"'{name}' has more than {most} items, {items.Count} of them; split what it says"
            : $"'{name}' must be a list that is not empty; expected {expected}, found {(items is null ? node.Describe() : "an empty list")}");
        return null;
    }

    public T? RequiredValue<T>(string name, string expected, Parse<T> parse) where T : class =>
        Required(name, expected) is { } node ? Value(node, $"'{name}'", expected, parse, _problems) : null;

    public T? OptionalValue<T>(string name, string expected, Parse<T> parse) where T : class =>
        Optional(name) is { } node ? Value(node, $"'{name}'", expected, parse, _problems) : null;

    /// <summary>The items of a list, of which none is there twice.</summary>
    public static ImmutableArray<T> Values<T>(IReadOnlyList<DocumentNode>? items, string what, Parse<T> parse, ProblemList problems) where T : class
    {
        var values = ImmutableArray.CreateBuilder<T>();
        var listed = new Dictionary<T, DocumentNode>();
        foreach (var item in items ?? [])
        {
            if (problems.IsFull) break;
            if (Value(item, what, "text", parse, problems) is not { } value) continue;
            problems.RefuseListedTwice(listed, value, item, one => one.ToString()!);
            values.Add(value);
        }

        return values.ToImmutable();
    }

    public static T? Value<T>(DocumentNode node, string what, string expected, Parse<T> parse, ProblemList problems) where T : class
    {
        if (node is not DocumentNode.Scalar { IsNull: false } scalar)
        {
            problems.Add(node, $"{what} must be {expected}, found {node.Describe()}");
            return null;
        }

        if (parse(scalar.Text, out var value, out var problem)) return value;
        problems.Add(node, problem);
        return null;
    }
}
