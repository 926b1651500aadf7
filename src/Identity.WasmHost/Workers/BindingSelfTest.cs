using Identity.WasmHost.WorkerProtocol;
using Wasmtime.Components;

namespace Identity.WasmHost.Workers;

/// <summary>
/// Runs before a worker says it is ready. The list of imports comes through functions the binding does not declare and handles it does not
/// publish; both may change with a version, and the wrong answer would be an ungranted capability. So a component whose imports are known
/// is read, linked and called first.
/// </summary>
internal static class BindingSelfTest
{
    private const string Probe = """
        (component
          (import "identity-test:probe/store@0.0.1" (instance $store
            (type $error' (variant (case "io" string) (case "not-found") (case "other" string)))
            (export "error" (type $error (eq $error')))
            (export "ask" (func (param "what" u32) (result (result (option u32) (error $error)))))))
          (import "identity-test:probe/answer" (func $answer (result u32)))
          (core func $answer' (canon lower (func $answer)))
          (core module $m
            (import "host" "answer" (func $answer (result i32)))
            (func (export "run") (result i32) (i32.add (call $answer) (i32.const 1))))
          (core instance $i (instantiate $m (with "host" (instance (export "answer" (func $answer'))))))
          (func (export "run") (result u32) (canon lift (core func $i "run"))))
        """;

    private const string AskSignature =
        "func(what: u32) -> result<option<u32>, variant { io(string), not-found, other(string) }>";

    /// <summary>Null when the binding is as expected, else what is not.</summary>
    public static string? FindProblem(WorkerEngine engine)
    {
        if (!System.Runtime.InteropServices.NativeLibrary.TryLoad("wasmtime", typeof(BindingSelfTest).Assembly, null, out var library)
            || !System.Runtime.InteropServices.NativeLibrary.TryGetExport(library, "wasmtime_component_extern_implements", out _))
            return "libwasmtime is missing or older than version 50";
        using var component = Component.FromText(engine.Engine, Probe);
        return FindProblemInImports(NativeImports.Read(engine.Engine, component)) ?? FindProblemInCall(engine, component);
    }

    private static string? FindProblemInImports(IReadOnlyList<NativeImport> imports)
    {
        if (imports is not
            [
            { Name: "identity-test:probe/store@0.0.1", Kind: NativeImportKind.Instance, IsAnnotated: false } store,
            { Name: "identity-test:probe/answer", Kind: NativeImportKind.Function, IsAnnotated: false },
            ])
            return "the list of imports of a known component is wrong";
        return store.Members is [{ Name: "error", Kind: NativeImportKind.Type }, { Name: "ask", Signature: AskSignature }]
            ? null
            : "the members of a known import are wrong";
    }

    private static string? FindProblemInCall(WorkerEngine engine, Component component)
    {
        using var linker = new ComponentLinker(engine.Engine);
        using (var root = linker.Root())
        {
            using (var store = root.AddInstance("identity-test:probe/store@0.0.1"))
                store.DefineFunction("ask", (_, results) => results[0] = ComponentValue.Ok(ComponentValue.None()));
            root.DefineFunction("identity-test:probe/answer", (_, results) => results[0] = ComponentValue.U32(41));
        }

        using var guest = LimitedStore.Create(engine, new WorkerLimits(), _ => { });
        var run = linker.Instantiate(guest, component).GetFunction("run");
        return run?.Call()?.AsU32() == 42 ? null : "a known component gave a wrong result";
    }
}
