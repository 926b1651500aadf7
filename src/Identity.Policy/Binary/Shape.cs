namespace Identity.Policy.Binary;

/// <summary>
/// As much of a type as says which functions can be called: of an instance its members, of a component what an instance of it would
/// have. Shared, never copied: the same type may be imported a thousand times.
/// </summary>
internal sealed class Shape
{
    /// <summary>A value type or a resource.</summary>
    public static readonly Shape Plain = new(ImportKind.Type);

    public static readonly Shape Function = new(ImportKind.Function);

    private readonly List<Member> _members;
    private Dictionary<string, Member>? _byName;

    private Shape(ImportKind kind, List<Member>? members = null)
    {
        Kind = kind;
        _members = members ?? [];
    }

    /// <summary>Function, Instance, Component, or Type for everything that has no members.</summary>
    public ImportKind Kind { get; }

    public IReadOnlyList<Member> Members => _members;

    public static Shape InstanceOf(List<Member> members) => new(ImportKind.Instance, members);

    public static Shape ComponentOf(List<Member> exports) => new(ImportKind.Component, exports);

    /// <summary>What instantiating a component gives. Its arguments make no difference: they have at least what it asks for, and it exports what it declares.</summary>
    public Shape Instantiated() => new(ImportKind.Instance, _members);

    public Shape Member(string name, ImportKind kind)
    {
        _byName ??= _members.ToDictionary(member => member.Name, StringComparer.Ordinal);
        return _byName.TryGetValue(name, out var member) && member.Kind == kind
            ? member.Shape
            : throw new MalformedComponentException($"an alias names {Quoted.From(name)}, which is no {kind} of that instance");
    }
}

/// <param name="Shape">Of a member that is a type: the shape of what is of that type.</param>
internal readonly record struct Member(string Name, ImportKind Kind, Shape Shape);
