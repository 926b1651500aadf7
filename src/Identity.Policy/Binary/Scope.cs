namespace Identity.Policy.Binary;

/// <summary>
/// The index spaces of a component, or of the type of one, as far as they lead to functions: types, components and instances (component
/// model, Binary.md, "Index spaces"). Functions, values and everything core have their own and are not followed.
/// </summary>
internal sealed class Scope
{
    private const int MaxDepth = 100;

    private readonly List<Shape> _types = [];
    private readonly List<Shape> _components = [];
    private readonly List<Shape> _instances = [];
    private readonly Scope? _parent;
    private readonly Budget _budget;
    private readonly int _depth;

    private Scope(Scope? parent, Budget budget)
    {
        _parent = parent;
        _budget = budget;
        _depth = parent is null ? 1 : parent._depth + 1;
        if (_depth > MaxDepth) throw new MalformedComponentException($"components are nested more than {MaxDepth} deep");
    }

    public static Scope Top() => new(null, new Budget());

    public Scope Nested() => new(this, _budget);

    /// <summary>Counts one more item of the component, wherever in it, so that a small binary cannot fill the memory.</summary>
    public void Spend() => _budget.Spend();

    public void Add(ImportKind kind, Shape shape)
    {
        Spend();
        switch (kind)
        {
            case ImportKind.Type:
                _types.Add(shape);
                break;
            case ImportKind.Component:
                _components.Add(shape);
                break;
            case ImportKind.Instance:
                _instances.Add(shape);
                break;
            default:
                break;
        }
    }

    /// <summary>What stands at an index. Functions and modules are not followed: their index is not looked at.</summary>
    public Shape Get(ImportKind kind, uint index) => kind switch
    {
        ImportKind.Type => At(_types, index, kind),
        ImportKind.Component => At(_components, index, kind),
        ImportKind.Instance => At(_instances, index, kind),
        ImportKind.Function => Shape.Function,
        _ => Shape.Plain,
    };

    /// <summary>The type at an index, which must be that of such a thing.</summary>
    public Shape TypeOf(ImportKind kind, uint index)
    {
        var type = At(_types, index, ImportKind.Type);
        return type.Kind == kind ? type : throw new MalformedComponentException($"the type {index} is not that of a {kind}");
    }

    /// <param name="count">0 is this scope, 1 the one around it.</param>
    public Scope Outer(uint count)
    {
        var scope = this;
        for (; count > 0 && scope is not null; count--) scope = scope._parent;
        return scope ?? throw new MalformedComponentException("an alias reaches beyond the component");
    }

    private static Shape At(List<Shape> items, uint index, ImportKind kind) => index < (uint)items.Count
        ? items[(int)index]
        : throw new MalformedComponentException($"there is no {kind} {index}; {items.Count} are defined before it is used");

    private sealed class Budget
    {
        // The largest component of the field, a JavaScript engine with 51 imports, has a few thousand.
        private const int MaxItems = 100_000;

        private int _spent;

        public void Spend()
        {
            if (++_spent > MaxItems) throw new MalformedComponentException($"the component defines more than {MaxItems} types, members and instances");
        }
    }
}
