using CsCheck;
using Identity.Testing.Components;

namespace Identity.Policy.Tests;

public sealed class ComponentReaderTests
{
    private static readonly byte[] Core = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];

    [Fact]
    public void Lists_imports_in_the_order_of_the_bytes_across_sections()
    {
        var component = new ComponentWriter()
            .Section(0, [.. ComponentWriter.Text("producers"), 1, 2, 3])
            .Section(7, 1, 0x42, 0)
            .Instances("wasmcloud:identity/store@0.0.1", "wasi:io/poll@0.2.0")
            .Section(1, Core)
            .Instances("wasi:io/streams@0.2.0")
            .Section(0, [.. ComponentWriter.Text("name")])
            .ToArray();

        Assert.Equal(["wasmcloud:identity/store@0.0.1", "wasi:io/poll@0.2.0", "wasi:io/streams@0.2.0"], Read(component).Imports.Select(import => import.Name));
        Assert.All(Read(component).Imports, import => Assert.Equal(ImportKind.Instance, import.Kind));
    }

    [Fact]
    public void Lists_the_kind_of_each_import()
    {
        var component = new ComponentWriter().Types(ComponentWriter.InstanceType(), ComponentWriter.FunctionType, ComponentWriter.ComponentType()).Imports(
            ComponentWriter.Import("m", [0x00, 0x11, 0]), ComponentWriter.Import("f", [0x01, 1]), ComponentWriter.Import("t", [0x03, 0x00, 1]),
            ComponentWriter.Import("r", [0x03, 0x01]), ComponentWriter.Import("c", [0x04, 2]), ComponentWriter.Import("i", [0x05, 0])).ToArray();

        Assert.Equal(
            [ImportKind.Module, ImportKind.Function, ImportKind.Type, ImportKind.Type, ImportKind.Component, ImportKind.Instance],
            Read(component).Imports.Select(import => import.Kind));
    }

    [Fact]
    public void Reads_both_plain_forms_of_a_name() =>
        Assert.Equal("wasi:io/poll@0.2.0", Assert.Single(Read(new ComponentWriter().WithTypes().Imports(
            ComponentWriter.Import("wasi:io/poll@0.2.0", ComponentWriter.InstanceKind, form: 0x01)).ToArray()).Imports).Name);

    [Fact]
    public void Accepts_lengths_that_are_spelt_longer_than_needed_as_the_runtime_does()
    {
        byte[] component = [.. new ComponentWriter().WithTypes().ToArray(), 10, 0x87, 0x80, 0x00, 0x81, 0x00, 0x00, 0x01, (byte)'a', 0x05, 0x00];
        Assert.Equal("a", Assert.Single(Read(component).Imports).Name);
    }

    [Fact]
    public void Does_not_take_the_imports_of_a_nested_component_for_its_own()
    {
        var nested = new ComponentWriter().Instances("wasi:sockets/tcp@0.2.0").ToArray();
        Assert.Empty(Read(new ComponentWriter().Section(4, nested).ToArray()).Imports);
    }

    [Fact]
    public void Shows_the_outer_name_of_what_is_handed_to_a_nested_component()
    {
        var nested = new ComponentWriter().Instances("wasi:sockets/tcp@0.2.0").ToArray();
        var component = new ComponentWriter().Instances("innocent:x/y@1.0.0").Section(4, nested).ToArray();
        Assert.Equal("innocent:x/y@1.0.0", Assert.Single(Read(component).Imports).Name);
    }

    [Fact]
    public void A_component_may_import_nothing() => Assert.Empty(Read(ComponentWriter.Preamble).Imports);

    public static TheoryData<string, byte[]> Refused => new()
    {
        { "this is no component", [] },
        { "this is no component", "(component)"u8.ToArray() },
        { "this is no component", ComponentWriter.Preamble[..7] },
        { "core module", Core },
        { "this is no component", [0x00, 0x61, 0x73, 0x6d, 0x0e, 0x00, 0x01, 0x00] },
        { "this is no component", [0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x00, 0x00] },
        { "section 9 is unknown", new ComponentWriter().Section(9, 0).ToArray() },
        { "section 12 is unknown", new ComponentWriter().Section(12, 0).ToArray() },
        { "section 255 is unknown", new ComponentWriter().Section(255).ToArray() },
        { "cut off", [.. ComponentWriter.Preamble, 10] },
        { "cut off", [.. ComponentWriter.Preamble, 10, 5, 1] },
        { "cut off", [.. ComponentWriter.Preamble, 0, 0xff, 0xff, 0xff, 0xff, 0x0f] },
        { "longer than 32 bits", [.. ComponentWriter.Preamble, 0, 0xff, 0xff, 0xff, 0xff, 0x1f] },
        { "longer than 32 bits", [.. ComponentWriter.Preamble, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00] },
        { "cut off", new ComponentWriter().WithTypes().Section(10, 2, 0, 1, (byte)'a', 5, 0).ToArray() },
        { "cut off", new ComponentWriter().Section(10, 0xff, 0xff, 0xff, 0xff, 0x0f).ToArray() },
        { "left over", new ComponentWriter().Section(10, 0, 0).ToArray() },
        { "left over", new ComponentWriter().WithTypes().Section(10, [.. ComponentWriter.Number(1), .. ComponentWriter.Import("a", ComponentWriter.InstanceKind), 0]).ToArray() },
        { "has the form 2; annotated", new ComponentWriter().Imports(ComponentWriter.Import("kv", [1, 0, .. ComponentWriter.Text("wasi:keyvalue/store"), 5, 0], form: 0x02)).ToArray() },
        { "has the form 3", new ComponentWriter().Imports(ComponentWriter.Import("kv", ComponentWriter.InstanceKind, form: 0x03)).ToArray() },
        { "the sort 2", new ComponentWriter().Imports(ComponentWriter.Import("v", [0x02, 0x01, 0x7f])).ToArray() },
        { "the sort 6", new ComponentWriter().Imports(ComponentWriter.Import("v", [0x06, 0x00])).ToArray() },
        { "the sort 0", new ComponentWriter().Imports(ComponentWriter.Import("m", [0x00, 0x10, 0])).ToArray() },
        { "the bound 2", new ComponentWriter().Imports(ComponentWriter.Import("t", [0x03, 0x02])).ToArray() },
        { "not UTF-8", new ComponentWriter().Section(10, 1, 0, 2, 0xc3, 0x28, 5, 0).ToArray() },
        { "not UTF-8", new ComponentWriter().Section(10, 1, 0, 3, 0xed, 0xa0, 0x80, 5, 0).ToArray() },
        { "at most 1024", new ComponentWriter().Instances(new string('a', 1025)).ToArray() },
        { "is there twice", new ComponentWriter().Instances("wasi:io/poll@0.2.0", "wasi:io/poll@0.2.0").ToArray() },
        { "is there twice", new ComponentWriter().Instances("wasi:io/poll@0.2.0").Instances("wasi:io/POLL@0.2.0").ToArray() },
        { "more than 1000 imports", new ComponentWriter().Instances([.. Enumerable.Range(0, 1001).Select(i => $"a:b/c{i}")]).ToArray() },
        { "nested more than 100 deep", Nested(100) },
        { "this is no component", new ComponentWriter().Section(4, Core[..4]).ToArray() },
        { "core module", new ComponentWriter().Section(4, Core).ToArray() },
        { "has the form 2", new ComponentWriter().Section(4, new ComponentWriter().Imports(ComponentWriter.Import("kv", ComponentWriter.InstanceKind, 0x02)).ToArray()).ToArray() },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public void Refuses(string text, byte[] component)
    {
        Assert.False(ComponentReader.TryRead(component, out var imports, out var problem));
        Assert.Null(imports);
        Assert.Contains(text, problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Reads_a_component_nested_100_deep() => Assert.Empty(Read(Nested(99)).Imports);

    [Fact]
    public void Refuses_more_than_32_MiB_unread()
    {
        Assert.False(ComponentReader.TryRead(new byte[ComponentReader.MaxComponentSize + 1], out _, out var problem));
        Assert.Contains("at most 33554432", problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Shows_no_control_characters_of_a_name_in_a_problem()
    {
        Assert.False(ComponentReader.TryRead(new ComponentWriter().Instances("a\u001b[2J\u202e", "a\u001b[2J\u202e").ToArray(), out _, out var problem));
        Assert.DoesNotContain(problem, character => character is < ' ' or > '~');
    }

    [Fact]
    public void Every_cut_of_a_component_is_refused_or_names_no_import_that_is_not_in_the_whole()
    {
        var whole = new ComponentWriter().Section(1, Core).Instances("wasi:io/poll@0.2.0", "wasi:io/streams@0.2.0").Instances("wasi:io/error@0.2.0").ToArray();
        var names = Read(whole).Imports;
        for (var length = 0; length < whole.Length; length++)
        {
            if (ComponentReader.TryRead(whole.AsSpan(0, length), out var imports, out _)) Assert.Subset(names.ToHashSet(), imports.Imports.ToHashSet());
        }
    }

    [Fact]
    public void Never_throws_whatever_the_bytes()
    {
        var whole = new ComponentWriter().Section(4, new ComponentWriter().Instances("a:b/c").ToArray()).Instances("wasi:io/poll@0.2.0").ToArray();
        Gen.Select(Gen.Int[0, whole.Length - 1], Gen.Byte).Array[1, 5].Sample(
            edits =>
            {
                var bytes = (byte[])whole.Clone();
                foreach (var (at, value) in edits) bytes[at] = value;
                return ComponentReader.TryRead(bytes, out var imports, out var problem) ? imports is not null && problem is null : imports is null && problem is not null;
            },
            iter: 20_000);
    }

    private static byte[] Nested(int depth)
    {
        var component = ComponentWriter.Preamble;
        for (var i = 0; i < depth; i++) component = new ComponentWriter().Section(4, component).ToArray();
        return component;
    }

    private static ComponentImports Read(byte[] component) =>
        ComponentReader.TryRead(component, out var imports, out var problem) ? imports : throw new FormatException(problem);
}
