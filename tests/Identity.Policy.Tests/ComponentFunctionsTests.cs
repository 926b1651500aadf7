using Identity.Testing.Components;
using static Identity.Testing.Components.ComponentWriter;

namespace Identity.Policy.Tests;

/// <summary>Which functions a component imports and exports, read from hand-written binaries.</summary>
public sealed class ComponentFunctionsTests
{
    private static readonly byte[] Instance = [0x05];
    private static readonly byte[] Function = [0x01];
    private static readonly byte[] Type = [0x03];
    private static readonly byte[] Component = [0x04];

    // (alias outer <count> <index>) of a type; (alias export <instance> "name") of a type.
    private static byte[] OuterType(byte count, byte index) => [0x03, 0x02, count, index];

    [Fact]
    public void Lists_the_functions_of_an_imported_instance_as_core_names_spell_them_and_no_types()
    {
        string[] functions = ["open", "[constructor]bucket", "[method]bucket.get", "[static]bucket.list"];
        var interfaceType = InstanceType(
        [
            Member("bucket", [0x03, 0x01]), Declared([0x72, 1, .. Text("key"), 0x73]), Member("entry", [0x03, 0x00, 1]), Declared(FunctionType),
            .. functions.Select(name => Member(name, [0x01, 3])),
        ]);
        var component = new ComponentWriter().Types(interfaceType).Instances("wasi:keyvalue/store@0.2.0").ToArray();
        Assert.Equal(functions, Assert.Single(Read(component).Imports).Functions);
    }

    [Fact]
    public void Each_import_has_the_functions_of_its_own_type()
    {
        var component = new ComponentWriter().Types(Interface("get"), Interface("set", "delete"))
            .Imports(Import("a:b/get", [0x05, 0]), Import("a:b/set", [0x05, 1]), Import("a:b/more", [0x05, 1])).ToArray();
        Assert.Equal(["get", "set,delete", "set,delete"], Read(component).Imports.Select(import => string.Join(',', import.Functions)));
    }

    [Fact]
    public void Types_may_come_in_several_sections_between_imports()
    {
        var component = new ComponentWriter().Types(FunctionType).Types(Interface("get")).Imports(Import("a:b/get", [0x05, 1]))
            .Types(Interface("set")).Imports(Import("a:b/set", [0x05, 2])).ToArray();
        Assert.Equal(["get", "set"], Read(component).Imports.SelectMany(import => import.Functions));
    }

    [Fact]
    public void An_imported_type_takes_a_place_among_the_types()
    {
        var component = new ComponentWriter().Types(Interface("get")).Imports(Import("t", [0x03, 0x00, 0])).Types(Interface("set"))
            .Imports(Import("a:b/get", [0x05, 1]), Import("a:b/set", [0x05, 2])).ToArray();
        Assert.Equal(["", "get", "set"], Read(component).Imports.Select(import => string.Join(',', import.Functions)));
    }

    [Fact]
    public void Functions_show_through_an_instance_type_that_an_instance_exports_and_an_alias_names()
    {
        // import "a:b/types" (instance (export "hidden" (type (eq <instance type>)))); alias that type; import an instance of it.
        var component = new ComponentWriter()
            .Types(InstanceType(Declared(Interface("steal")), Member("hidden", [0x03, 0x00, 0])))
            .Imports(Import("a:b/types", [0x05, 0]))
            .Section(6, [1, .. Type, 0x00, 0, .. Text("hidden")])
            .Imports(Import("a:b/store", [0x05, 1])).ToArray();
        Assert.Equal(["steal"], Read(component).Imports[1].Functions);
    }

    [Fact]
    public void Functions_show_through_an_alias_of_an_outer_type()
    {
        // The top-level type is named from within a component type, which exports an instance of it.
        var componentType = ComponentType([0x02, .. OuterType(1, 0)], Member("a:b/store", [0x05, 0]));
        var component = new ComponentWriter().Types(Interface("get"), componentType)
            .Imports(Import("c", [0x04, 1])).Section(5, [1, 0x00, 0, 0]).Exports(Export("a:b/store", [0x05], 1)).ToArray();
        // The instance of a component has its exports as members: one of them, an instance, is not a function.
        Assert.False(TryRead(component, out var problem), problem);

        var direct = new ComponentWriter().Types(Interface("get"), componentType)
            .Imports(Import("c", [0x04, 1])).Section(5, [1, 0x00, 0, 0])
            .Section(6, [1, .. Instance, 0x00, 0, .. Text("a:b/store")]).Exports(Export("a:b/store", Instance, 1)).ToArray();
        Assert.Equal(["get"], Assert.Single(Read(direct).Exports).Functions);
    }

    [Fact]
    public void An_alias_of_the_type_beside_itself_may_have_the_count_0()
    {
        var component = new ComponentWriter().Types(Interface("get")).Section(6, [1, .. OuterType(0, 0)]).Imports(Import("a:b/c", [0x05, 1])).ToArray();
        Assert.Equal(["get"], Assert.Single(Read(component).Imports).Functions);
    }

    [Fact]
    public void Lists_bare_functions_and_the_functions_of_exported_instances()
    {
        var component = new ComponentWriter().Types(FunctionType)
            .Section(5, [1, 0x01, 2, 0x00, .. Text("run"), 0x01, 0, 0x00, .. Text("t"), 0x03, 0])
            .Exports(Export("run", Function, 0), Export("wasi:cli/run@0.2.0", Instance, 0), Export("t", Type, 0))
            .ToArray();
        Assert.Equal(
            [new ComponentExport("run", ImportKind.Function, []), new ComponentExport("wasi:cli/run@0.2.0", ImportKind.Instance, ["run"])],
            Read(component).Exports);
    }

    [Fact]
    public void Shows_what_an_instance_of_a_nested_component_exports()
    {
        // What tool chains write: a shim component that exports a function, instantiated and exported as an interface.
        var shim = new ComponentWriter().Types(FunctionType).Imports(Import("import-func-run", [0x01, 0])).Exports(Export("run", Function, 0, 0x01, 0)).ToArray();
        var component = new ComponentWriter().Section(4, shim)
            .Section(5, [1, 0x00, 0, 1, .. Text("import-func-run"), 0x01, 0])
            .Exports(Export("wasi:cli/run@0.2.0", Instance, 0)).ToArray();
        Assert.Equal(["run"], Assert.Single(Read(component).Exports).Functions);
    }

    [Fact]
    public void Shows_of_an_export_what_its_ascribed_type_shows()
    {
        var component = new ComponentWriter().Types(Interface("get", "set"), Interface("get"))
            .Imports(Import("a:b/c", [0x05, 0])).Exports(Export("a:b/c", Instance, 0, 0x05, 1)).ToArray();
        Assert.Equal(["get"], Assert.Single(Read(component).Exports).Functions);
    }

    [Fact]
    public void An_export_can_be_exported_again_by_the_index_it_makes()
    {
        var component = new ComponentWriter().Types(Interface("get", "set"), Interface("get"))
            .Imports(Import("a:b/c", [0x05, 0]))
            .Exports(Export("a:b/narrow", Instance, 0, 0x05, 1), Export("a:b/again", Instance, 1)).ToArray();
        Assert.Equal(["get", "get"], Read(component).Exports.SelectMany(export => export.Functions));
    }

    [Fact]
    public void A_nested_component_reaches_the_types_and_components_around_it()
    {
        var inner = new ComponentWriter().Section(6, [2, .. OuterType(1, 0), .. Component, 0x02, 1, 0])
            .Imports(Import("a:b/c", [0x05, 0])).Exports(Export("a:b/c", Instance, 0), Export("shim", Component, 0)).ToArray();
        var component = new ComponentWriter().Types(Interface("get")).Section(4, new ComponentWriter().ToArray()).Section(4, inner)
            .Section(5, [1, 0x00, 1, 0]).Section(6, [1, .. Instance, 0x00, 0, .. Text("a:b/c")]).Exports(Export("a:b/c", Instance, 1)).ToArray();
        Assert.Equal(["get"], Assert.Single(Read(component).Exports).Functions);
    }

    [Fact]
    public void Steps_over_every_form_of_type()
    {
        byte[][] values =
        [
            [0x7f], [0x73], [0x64], [0x72, 1, .. Text("a"), 0x79], [0x71, 2, .. Text("none"), 0x00, 0x00, .. Text("some"), 0x01, 0x73, 0x00], [0x70, 0x7d],
            [0x67, 0x7d, 0x84, 0x00], [0x6f, 2, 0x7f, 0x7f], [0x6e, 1, .. Text("a")], [0x6d, 1, .. Text("a")], [0x6b, 0x7f], [0x6a, 0x00, 0x00], [0x6a, 0x01, 0x73, 0x01, 0x80, 0x00],
            [0x3f, 0x7f, 0x00], [0x3f, 0x7f, 0x01, 0], [0x69, 13], [0x68, 13], [0x66, 0x00], [0x65, 0x01, 0x73], [0x63, 0x73, 0x73], [0x43, 0x00, 0x00, 0x7f],
            [0x40, 2, .. Text("a"), 0xc0, 0x00, .. Text("b"), 0x05, 0x00, 0x73],
            InstanceType([0x00, 0x60, 1, 0x7f, 1, 0x7e], [0x00, 0x50, 3, 0x01, 0x60, 0, 0, 0x00, .. Text("m"), .. Text("f"), 0x00, 0, 0x03, .. Text("memory"), 0x02, 0x01, 1, 2]),
        ];
        var component = new ComponentWriter().Types([.. values, Interface("get")]).Imports(Import("a:b/c", [0x05, (byte)values.Length])).ToArray();
        Assert.Equal(["get"], Assert.Single(Read(component).Imports).Functions);
    }

    public static TheoryData<string, byte[]> Refused => new()
    {
        { "there is no Type 0", new ComponentWriter().Imports(Import("a:b/c", InstanceKind)).ToArray() },
        { "there is no Type 1; 1 are", new ComponentWriter().WithTypes().Imports(Import("a:b/c", [0x05, 1])).ToArray() },
        { "the type 0 is not that of a Instance", new ComponentWriter().Types(FunctionType).Imports(Import("a:b/c", InstanceKind)).ToArray() },
        { "the type 0 is not that of a Function", new ComponentWriter().WithTypes().Imports(Import("f", [0x01, 0])).ToArray() },
        { "the type 0 is not that of a Component", new ComponentWriter().WithTypes().Imports(Import("c", [0x04, 0])).ToArray() },
        { "there is no Type 0; 0 are defined before", new ComponentWriter().Imports(Import("a:b/c", InstanceKind)).Types(Interface("get")).ToArray() },
        { "the member 'get' is there twice", new ComponentWriter().Types(Interface("get", "get")).ToArray() },
        { "the member 'GET' is there twice", new ComponentWriter().Types(Interface("get", "GET")).ToArray() },
        { "the export 'run' is there twice", new ComponentWriter().Exports(Export("run", Function, 0), Export("run", Function, 0)).ToArray() },
        { "the export 'a' is there twice", new ComponentWriter().Section(5, [1, 0x01, 2, 0x00, .. Text("a"), 0x01, 0, 0x00, .. Text("a"), 0x01, 0]).ToArray() },
        { "the export 'run' is there twice", new ComponentWriter().Section(4, new ComponentWriter().Exports(Export("run", Function, 0), Export("run", Function, 0)).ToArray()).ToArray() },
        { "has the form 2; annotated", new ComponentWriter().Types(InstanceType(Declared(FunctionType), Member("get", [0x01, 0], form: 0x02))).ToArray() },
        { "has the form 2; annotated", new ComponentWriter().Section(11, [1, 0x02, .. Text("run"), 0, 0x01, 0, 0x00]).ToArray() },
        { "'nested', a Instance", new ComponentWriter().Types(InstanceType(Declared(Interface("get")), Member("nested", [0x05, 0]))).Instances("a:b/c").ToArray() },
        { "'m', a Module", new ComponentWriter().Types(InstanceType(Member("m", [0x00, 0x11, 0]))).Instances("a:b/c").ToArray() },
        { "the export 'v' is of a kind", new ComponentWriter().Exports(Export("v", [0x00, 0x00], 0)).ToArray() },
        { "the sort 2", new ComponentWriter().Exports(Export("v", [0x02], 0)).ToArray() },
        { "the core sort 9", new ComponentWriter().Exports(Export("v", [0x00, 0x09], 0)).ToArray() },
        { "is a Function with the type of a Instance", new ComponentWriter().WithTypes().Exports(Export("f", Function, 0, 0x05, 0)).ToArray() },
        { "marked 2", new ComponentWriter().Section(11, [1, 0x00, .. Text("f"), 0x01, 0, 0x02]).ToArray() },
        { "there is no Instance 0", new ComponentWriter().Exports(Export("a:b/c", Instance, 0)).ToArray() },
        { "there is no Component 0", new ComponentWriter().Section(5, [1, 0x00, 0, 0]).ToArray() },
        { "an instance has the form 2", new ComponentWriter().Section(5, [1, 0x02]).ToArray() },
        { "reaches beyond", new ComponentWriter().WithTypes().Section(6, [1, .. OuterType(1, 0)]).ToArray() },
        { "there is no Type 1", new ComponentWriter().WithTypes().Section(6, [1, .. OuterType(0, 1)]).ToArray() },
        { "names 'get', which is no Type", new ComponentWriter().Types(Interface("get")).Instances("a:b/c").Section(6, [1, .. Type, 0x00, 0, .. Text("get")]).ToArray() },
        { "has the target 2", new ComponentWriter().Instances("a:b/c").Section(6, [1, .. Instance, 0x02, 0, 0]).ToArray() },
        { "has the target 1", new ComponentWriter().Instances("a:b/c").Section(6, [1, .. Instance, 0x01, 0, .. Text("a")]).ToArray() },
        { "has the form 96, which is unknown", new ComponentWriter().Types([0x60]).ToArray() },
        { "a declaration of the form 3", new ComponentWriter().Types(InstanceType([0x03, 0x00, .. Text("a"), 0x05, 0])).ToArray() },
        { "a declaration of the form 5", new ComponentWriter().Types(InstanceType([0x05])).ToArray() },
        { "a core type has the form 95", new ComponentWriter().Types(InstanceType([0x00, 0x5f])).ToArray() },
        { "results in a form", new ComponentWriter().Types([0x40, 0x00, 0x01, 0x01]).ToArray() },
        { "left over after the last type", new ComponentWriter().Section(7, [1, .. FunctionType, 0]).ToArray() },
        { "left over after the last alias", new ComponentWriter().Section(6, 0, 0).ToArray() },
        { "left over after the last instance", new ComponentWriter().Section(5, 0, 0).ToArray() },
        { "left over after the last export", new ComponentWriter().Section(11, 0, 0).ToArray() },
        { "cut off", new ComponentWriter().Section(7, 1, 0x42, 1, 0x01).ToArray() },
        { "cut off", new ComponentWriter().Section(7, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x7f).ToArray() },
        { "nested more than 100 deep", new ComponentWriter().Types(DeepType(101)).ToArray() },
        { "more than 4096 functions", new ComponentWriter().Types(Interface([.. Enumerable.Range(0, 5).Select(i => $"f{i}")])).Instances([.. Enumerable.Range(0, 900).Select(i => $"a:b/c{i}")]).ToArray() },
        { "more than 100000 types", new ComponentWriter().Types([.. Enumerable.Repeat(FunctionType, 100_001)]).ToArray() },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public void Refuses(string text, byte[] component)
    {
        Assert.False(TryRead(component, out var problem));
        Assert.Contains(text, problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_cut_of_a_component_is_refused_or_has_no_function_that_is_not_in_the_whole()
    {
        var whole = new ComponentWriter().Types(Interface("get"), Interface("set")).Imports(Import("a:b/c", [0x05, 0]))
            .Imports(Import("a:b/d", [0x05, 1])).Exports(Export("a:b/c", Instance, 0)).ToArray();
        var functions = Read(whole).Imports.Select(import => $"{import.Name} {string.Join(',', import.Functions)}").ToHashSet();
        for (var length = 0; length < whole.Length; length++)
        {
            if (!ComponentReader.TryRead(whole.AsSpan(0, length), out var imports, out _)) continue;
            Assert.Subset(functions, imports.Imports.Select(import => $"{import.Name} {string.Join(',', import.Functions)}").ToHashSet());
        }
    }

    private static byte[] DeepType(int depth)
    {
        var type = InstanceType();
        for (var i = 1; i < depth; i++) type = InstanceType(Declared(type));
        return type;
    }

    private static bool TryRead(byte[] component, out string? problem) => ComponentReader.TryRead(component, out _, out problem);

    private static ComponentImports Read(byte[] component) =>
        ComponentReader.TryRead(component, out var imports, out var problem) ? imports : throw new FormatException(problem);
}
