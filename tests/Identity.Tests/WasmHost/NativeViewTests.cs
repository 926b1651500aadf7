using CsCheck;
using Identity.Policy;
using Identity.Testing.Platform;
using Identity.WasmHost.Workers;
using Wasmtime;
using Wasmtime.Components;

namespace Identity.Tests.WasmHost;

/// <summary>
/// What the managed reader says about a component is what Wasmtime says about it once it is compiled: the same imports and exports, the
/// same functions.
/// </summary>
public sealed class NativeViewTests : IDisposable
{
    private readonly WorkerEngine _engine = new();

    public static TheoryData<string, string> Components => new()
    {
        { "greeter", File.ReadAllText(Path.Combine(Repository.Root, "deploy", "samples", "greeter.wat")) },
        { "snooper", File.ReadAllText(Path.Combine(Repository.Root, "deploy", "samples", "snooper.wat")) },
        { "nothing", "(component)" },
        {
            "every spelling of a function",
            """
            (component (import "a:b/c@1.2.3" (instance
              (export "bucket" (type $b (sub resource)))
              (export "open" (func (param "name" string) (result (own $b))))
              (export "[constructor]bucket" (func (result (own $b))))
              (export "[method]bucket.get" (func (param "self" (borrow $b)) (param "key" string) (result (option string))))
              (export "[static]bucket.list" (func (result (list string)))))))
            """
        },
        {
            "every form of type",
            """
            (component (import "a:b/c" (instance
              (type $r' (record (field "a" u8) (field "b" (tuple u16 s64 float32)))) (export "r" (type $r (eq $r')))
              (type $v' (variant (case "none") (case "some" (list string)))) (export "v" (type $v (eq $v')))
              (type $e' (enum "x" "y")) (export "e" (type $e (eq $e')))
              (type $g' (flags "x" "y")) (export "g" (type $g (eq $g')))
              (export "f" (func (param "r" $r) (param "v" $v) (param "e" $e) (param "g" $g) (result (result (option bool) (error char))))))))
            """
        },
        {
            "a type that an instance exports, by alias",
            """
            (component
              (import "a:b/types" (instance $types (type $s (instance (export "get" (func)))) (export "t" (type (sub resource)))))
              (alias export $types "t" (type $t))
              (import "a:b/use" (instance (alias outer 1 $t (type $t')) (export "t" (type $t'' (eq $t'))) (export "take" (func (param "t" (own $t'')))))))
            """
        },
        {
            "imports between types, a bare function and a module",
            """
            (component
              (type $one (instance (export "get" (func))))
              (import "a:b/one" (instance (type $one)))
              (type $two (instance (export "set" (func)) (export "drop" (func))))
              (import "a:b/two" (instance (type $two)))
              (import "bare" (func (param "s" string)))
              (import "m" (core module (import "x" "y" (func (param i32))) (export "z" (func (result i64)))))
              (import "a:b/three" (instance (type $one))))
            """
        },
        {
            "a shim as tool chains write it",
            """
            (component
              (core module $m (func (export "run")))
              (core instance $i (instantiate $m))
              (func $run (canon lift (core func $i "run")))
              (component $shim
                (import "import-func-run" (func $run))
                (export "run" (func $run)))
              (instance $shim (instantiate $shim (with "import-func-run" (func $run))))
              (export "wasi:cli/run@0.2.0" (instance $shim))
              (export "run" (func $run)))
            """
        },
        {
            "nested components that are handed types and components from outside",
            """
            (component
              (type $one (instance (export "get" (func))))
              (component $leaf (import "i" (instance $i (export "get" (func)))) (export "o" (instance $i)))
              (component $tree
                (alias outer 1 $one (type $one'))
                (alias outer 1 $leaf (component $leaf'))
                (import "a:b/in" (instance $in (type $one')))
                (instance $made (instantiate $leaf' (with "i" (instance $in))))
                (alias export $made "o" (instance $o))
                (export "a:b/out" (instance $o)))
              (core module $m (func (export "f")))
              (core instance $i (instantiate $m))
              (func $f (canon lift (core func $i "f")))
              (instance $real (export "get" (func $f)))
              (instance $made (instantiate $tree (with "a:b/in" (instance $real))))
              (alias export $made "a:b/out" (instance $out))
              (export "a:b/out" (instance $out)))
            """
        },
        {
            "inline exports with a type",
            """
            (component
              (core module $m (func (export "f")))
              (core instance $i (instantiate $m))
              (func $f (canon lift (core func $i "f")))
              (type $t (record (field "a" u8)))
              (instance $inline (export "f" (func $f)) (export "g" (func $f)))
              (export "a:b/c" (instance $inline))
              (export "t" (type $t)))
            """
        },
    };

    [Theory]
    [MemberData(nameof(Components))]
    public void Reader_and_runtime_agree(string what, string wat)
    {
        _ = what;
        var bytes = Guest.Binary(wat);
        Assert.True(ComponentReader.TryRead(bytes, out var read, out var problem), problem);
        using var component = Component.FromBytes(_engine.Engine, bytes);
        AssertAgrees(read, component);
    }

    public static TheoryData<string, string> Narrowing => new()
    {
        {
            "an export with an ascribed type",
            """
            (component
              (core module $m (func (export "f")))
              (core instance $i (instantiate $m))
              (func $f (canon lift (core func $i "f")))
              (instance $wide (export "get" (func $f)) (export "set" (func $f)))
              (export "a:b/narrow" (instance $wide) (instance (export "get" (func)))))
            """
        },
        {
            "a nested component that is handed more than it asks for",
            """
            (component
              (type $one (instance (export "get" (func))))
              (component $leaf (import "i" (instance $i (export "get" (func)))) (export "o" (instance $i)))
              (component $tree
                (alias outer 1 $one (type $one'))
                (alias outer 1 $leaf (component $leaf'))
                (import "a:b/in" (instance $in (type $one')))
                (instance $made (instantiate $leaf' (with "i" (instance $in))))
                (alias export $made "o" (instance $o))
                (export "a:b/out" (instance $o)))
              (core module $m (func (export "f")))
              (core instance $i (instantiate $m))
              (func $f (canon lift (core func $i "f")))
              (instance $real (export "get" (func $f)) (export "set" (func $f)))
              (instance $made (instantiate $tree (with "a:b/in" (instance $real))))
              (alias export $made "a:b/out" (instance $out))
              (export "a:b/out" (instance $out)))
            """
        },
    };

    /// <summary>Wasmtime looks through types that leave functions out. We do not: such a function cannot be granted, so nobody here calls it.</summary>
    [Theory]
    [MemberData(nameof(Narrowing))]
    public void The_reader_lists_no_function_that_the_type_of_an_export_leaves_out(string what, string wat)
    {
        _ = what;
        var bytes = Guest.Binary(wat);
        Assert.True(ComponentReader.TryRead(bytes, out var read, out var problem), problem);
        using var component = Component.FromBytes(_engine.Engine, bytes);
        Assert.Equal(["get"], Assert.Single(read.Exports).Functions);
        Assert.Equal("get,set", Functions(Assert.Single(NativeImports.ReadExports(_engine.Engine, component)).Members));
    }

    [Fact]
    public void Reader_and_runtime_agree_about_the_guests_of_other_tests()
    {
        foreach (var bytes in (byte[][])[Guest.Content(), Guest.AskingForItsToken(), Guest.Publishing(1)])
        {
            Assert.True(ComponentReader.TryRead(bytes, out var read, out var problem), problem);
            using var component = Component.FromBytes(_engine.Engine, bytes);
            AssertAgrees(read, component);
        }
    }

    [Fact]
    public void What_both_accept_of_damaged_components_they_read_alike()
    {
        var whole = Components.Select(row => Guest.Binary(row.Data.Item2)).ToArray();
        Gen.Select(Gen.Int[0, whole.Length - 1], Gen.Select(Gen.Int[8, 600], Gen.Byte).Array[1, 3]).Sample(
            (which, edits) =>
            {
                var bytes = (byte[])whole[which].Clone();
                foreach (var (at, value) in edits) bytes[Math.Min(at, bytes.Length - 1)] = value;
                if (!ComponentReader.TryRead(bytes, out var read, out _) || Compile(bytes) is not { } component) return;
                using (component) AssertAgrees(read, component, mayNarrow: true);
            },
            iter: 1_000,
            threads: 1);
    }

    public void Dispose() => _engine.Dispose();

    private Component? Compile(byte[] bytes)
    {
        try
        {
            return Component.FromBytes(_engine.Engine, bytes);
        }
        catch (WasmtimeException)
        {
            return null;
        }
    }

    private void AssertAgrees(ComponentImports read, Component component, bool mayNarrow = false)
    {
        // Wasmtime does not list imported types: they carry no authority.
        Assert.Equal(
            NativeImports.Read(_engine.Engine, component).Where(import => import.Kind is not NativeImportKind.Type and not NativeImportKind.Resource)
                .Select(import => $"{import.Name} {import.Kind}: {Functions(import.Members)}").Order(StringComparer.Ordinal),
            read.Imports.Where(import => import.Kind != ImportKind.Type)
                .Select(import => $"{import.Name} {import.Kind}: {string.Join(',', import.Functions.Order(StringComparer.Ordinal))}").Order(StringComparer.Ordinal));
        var exported = NativeImports.ReadExports(_engine.Engine, component)
            .Where(export => export.Kind is NativeImportKind.Instance or NativeImportKind.Function).SelectMany(AllOf).Order(StringComparer.Ordinal).ToArray();
        var listed = read.Exports.SelectMany(export => export.Functions.Select(function => $"{export.Name}#{function}").Append($"{export.Name} {export.Kind}"))
            .Order(StringComparer.Ordinal).ToArray();
        if (mayNarrow) Assert.Subset(exported.ToHashSet(), listed.ToHashSet());
        else Assert.Equal(exported, listed);
    }

    private static IEnumerable<string> AllOf(NativeExport export) => export.Members.Where(member => member.Kind == NativeImportKind.Function)
        .Select(member => $"{export.Name}#{member.Name}").Append($"{export.Name} {export.Kind}");

    private static string Functions(IReadOnlyList<NativeMember> members) =>
        string.Join(',', members.Where(member => member.Kind == NativeImportKind.Function).Select(member => member.Name).Order(StringComparer.Ordinal));
}
