using System.Text;
using Identity.WasmHost.Supervision;

namespace Identity.Tests.WasmHost;

/// <summary>What a worker refuses to link, shown in worker processes: this process compiles no component.</summary>
public sealed class ComponentGateTests
{
    private const string Store = "wasmcloud:identity/store@0.0.1";

    public static TheoryData<string, string, string, bool> Refusals => new()
    {
        { "no import was decided on", Guest.IdentityImport, "undecided [wasmcloud:identity/store@0.0.1]", true },
        { "a function of the root", """(import "evil" (func (param "s" string)))""", "undecided [evil]", true },
        { "an instance of types only", """(import "a:b/c" (instance (export "t" (type (sub resource)))))""", "undecided [a:b/c]", true },
    };

    [Theory]
    [MemberData(nameof(Refusals))]
    public async Task Refuses_and_raises_an_alarm_when_the_compiled_component_imports_what_was_not_decided(
        string what, string imports, string expected, bool alarm)
    {
        _ = what;
        var refused = await RefusedAsync(Guest.Running("unreachable", imports), []);
        Assert.Contains(expected, refused.Problem, StringComparison.Ordinal);
        Assert.Equal(alarm, refused.IsAlarm);
    }

    [Fact]
    public async Task Refuses_and_raises_an_alarm_when_a_decided_import_is_missing()
    {
        var refused = await RefusedAsync(Guest.Content(), [Store]);
        Assert.Contains("missing [wasmcloud:identity/store@0.0.1]", refused.Problem, StringComparison.Ordinal);
        Assert.True(refused.IsAlarm);
    }

    public static TheoryData<string, string, string> Unlinkable => new()
    {
        { "evil", """(import "evil" (func (param "s" string)))""", "only whole interfaces" },
        { "a:b/c@1.0.0", """(import "a:b/c@1.0.0" (instance (export "f" (func))))""", "not implemented by this host" },
        { Store, """(import "wasmcloud:identity/store@0.0.1" (instance (export "get" (func (param "audience" (list u8))))))""", "expected func(audience: string)" },
        { Store, """(import "wasmcloud:identity/store@0.0.1" (instance (export "steal" (func))))""", "has no `steal` here" },
        {
            "wasmcloud:messaging/consumer@0.2.0",
            """(import "wasmcloud:messaging/consumer@0.2.0" (instance (export "publish" (func (param "msg" string) (result (result (error string)))))))""",
            "declares `publish` as func(msg: string) -> result<_, string>"
        },
        { "wasi:http/outgoing-handler@0.2.0", """(import "wasi:http/outgoing-handler@0.2.0" (instance (export "f" (func))))""", "not found in the linker" },
    };

    [Theory]
    [MemberData(nameof(Unlinkable))]
    public async Task Refuses_an_import_it_cannot_serve_as_declared_even_when_granted(string name, string import, string expected)
    {
        await using var worker = WorkerHarness.Start(Guest.Running("unreachable", import), [name]);
        var problem = await worker.End switch
        {
            WorkerEnd.Refused refused => refused.Problem,
            WorkerEnd.Trapped trapped => trapped.Text,
            var other => other.ToString(),
        };
        Assert.Contains(expected, problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("(component)")]
    [InlineData("")]
    [InlineData("\0asm\u0001\0\0\0")]
    public async Task Refuses_bytes_that_are_no_component_binary(string text)
    {
        var refused = await RefusedAsync(Encoding.Latin1.GetBytes(text), []);
        Assert.Contains("not a component", refused.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Refuses_a_component_that_does_not_compile()
    {
        var refused = await RefusedAsync(Guest.Content()[..^1], []);
        Assert.StartsWith("does not compile", refused.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Refuses_a_component_without_an_export_to_call()
    {
        var refused = await RefusedAsync(Guest.Binary("(component)"), []);
        Assert.Contains("exports neither", refused.Problem, StringComparison.Ordinal);
    }

    private static async Task<WorkerEnd.Refused> RefusedAsync(byte[] component, string[] decided)
    {
        await using var worker = WorkerHarness.Start(component, decided);
        return Assert.IsType<WorkerEnd.Refused>(await worker.End);
    }
}
