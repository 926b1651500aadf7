using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Identity.Testing.Platform;
using Wasmtime;

namespace Identity.Policy.Tests.Analysis;

/// <summary>
/// Cedar's own engine, compiled to WebAssembly for JavaScript, under Wasmtime. What JavaScript would pass as objects passes as the text of
/// its JSON: the module only ever turns it into text and back.
/// </summary>
internal sealed class CedarEngine : IDisposable
{
    private const string Imports = "./cedar_wasm_bg.js";

    private static readonly Engine Shared = new();

    // Compiling takes seconds.
    private static readonly Lazy<Module> Compiled = new(() => Module.FromFile(Shared, FilePath));

    private readonly Store _store = new(Shared);
    private readonly Instance _instance;

    private CedarEngine()
    {
        var module = Compiled.Value;
        using var linker = new Linker(Shared);
        foreach (var import in module.Imports)
        {
            // Names carry a hash of the build behind what they mean.
            var name = import.Name;
            if (name.Contains("is_undefined", StringComparison.Ordinal)) linker.Define(Imports, name, Function.FromCallback(_store, (object? value) => value is null ? 1 : 0));
            else if (name.Contains("string_get", StringComparison.Ordinal)) linker.Define(Imports, name, Function.FromCallback(_store, (Caller caller, int result, object? value) => PassText(caller, result, value)));
            else if (name.Contains("throw", StringComparison.Ordinal)) linker.Define(Imports, name, Function.FromCallback(_store, (Caller caller, int at, int length) => throw new InvalidOperationException(caller.GetMemory("memory")!.ReadString(at, length))));
            else if (name.Contains("parse", StringComparison.Ordinal)) linker.Define(Imports, name, Function.FromCallback(_store, object? (Caller caller, int at, int length) => caller.GetMemory("memory")!.ReadString(at, length)));
            else if (name.Contains("stringify", StringComparison.Ordinal)) linker.Define(Imports, name, Function.FromCallback(_store, object? (object? value) => value));
            else if (name.Contains("init_externref_table", StringComparison.Ordinal)) linker.Define(Imports, name, Function.FromCallback(_store, () => { }));
            else throw new NotSupportedException($"the module imports {name}, which this host does not know");
        }

        _instance = linker.Instantiate(_store, module);
        _instance.GetAction("__wbindgen_start")?.Invoke();
    }

    /// <summary>Skips the test where the module is not there, but not in continuous integration.</summary>
    public static CedarEngine OrSkip()
    {
        const string Missing = "Cedar's module is not here; deploy/dev/cedar-wasm.sh .dev/cedar-wasm fetches it.";
        Evidence.Demand(File.Exists(FilePath), Missing);
        Assert.SkipUnless(File.Exists(FilePath), Missing);
        return new CedarEngine();
    }

    /// <summary>Reads policies once, under a name.</summary>
    public void Parse(string name, string policies)
    {
        var text = Encoding.UTF8.GetBytes(name);
        var at = Allocate(text);
        // WebAssembly calls by two numbers and a reference; the text is freed by whom it is passed to.
        var answer = (string?)_instance.GetFunction("preparsePolicySet")!.Invoke(at, text.Length, ValueBox.AsBox((object)new JsonObject { ["staticPolicies"] = policies }.ToJsonString()));
        if (JsonNode.Parse(answer!)!["type"]!.GetValue<string>() != "success") throw new FormatException($"Cedar refuses what was written: {answer}\n{policies}");
    }

    /// <summary>True for allow; a policy that errs fails.</summary>
    public bool Allows(JsonObject call)
    {
        var answer = JsonNode.Parse((string)_instance.GetFunction("statefulIsAuthorized")!.Invoke(ValueBox.AsBox((object)call.ToJsonString()))!)!;
        if (answer["type"]!.GetValue<string>() != "success") throw new InvalidOperationException(answer.ToJsonString());
        var diagnostics = answer["response"]!["diagnostics"]!["errors"]!.AsArray();
        if (diagnostics.Count > 0) throw new InvalidOperationException(diagnostics.ToJsonString(new JsonSerializerOptions()));
        return answer["response"]!["decision"]!.GetValue<string>() == "allow";
    }

    public void Dispose() => _store.Dispose();

    private static string FilePath => Path.Combine(Repository.Root, ".dev", "cedar-wasm", "cedar_wasm_bg.wasm");

    private int Allocate(byte[] text)
    {
        var at = (int)_instance.GetFunction("__wbindgen_malloc")!.Invoke(text.Length, 1)!;
        text.CopyTo(_instance.GetMemory("memory")!.GetSpan(at, text.Length));
        return at;
    }

    private static void PassText(Caller caller, int result, object? value)
    {
        var memory = caller.GetMemory("memory")!;
        if (value is not string text)
        {
            memory.WriteInt32(result, 0);
            memory.WriteInt32(result + 4, 0);
            return;
        }

        var bytes = Encoding.UTF8.GetBytes(text);
        var at = (int)caller.GetFunction("__wbindgen_malloc")!.Invoke(bytes.Length, 1)!;
        // Allocating may have grown, and so moved, the memory.
        memory = caller.GetMemory("memory")!;
        bytes.CopyTo(memory.GetSpan(at, bytes.Length));
        memory.WriteInt32(result, at);
        memory.WriteInt32(result + 4, bytes.Length);
    }
}
