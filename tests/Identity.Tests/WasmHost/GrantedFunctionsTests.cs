using Identity.WasmHost.Supervision;
using Identity.WasmHost.WorkerProtocol;

namespace Identity.Tests.WasmHost;

/// <summary>What a worker links and calls, function by function, shown in worker processes.</summary>
public sealed class GrantedFunctionsTests
{
    private const string Consumer = "wasmcloud:messaging/consumer@0.2.0";
    private const string Store = "wasmcloud:identity/store@0.0.1";

    private static readonly GrantedInterface Bare = new("", ["run"]);
    private static readonly GrantedInterface Command = new("wasi:cli/run@0.2.3", ["run"]);

    public static TheoryData<string, string[], string> Undecided => new()
    {
        { "another function was decided on", ["request"], $"undecided [{Consumer}#publish], missing [{Consumer}#request]" },
        { "no function was decided on", [], $"undecided [{Consumer}#publish], missing []" },
        { "one more was decided on", ["publish", "request"], $"undecided [], missing [{Consumer}#request]" },
    };

    [Theory]
    [MemberData(nameof(Undecided))]
    public async Task Refuses_and_raises_an_alarm_when_the_compiled_component_imports_other_functions(string what, string[] functions, string expected)
    {
        _ = what;
        await using var worker = WorkerHarness.Start(Guest.Publishing(1), linked: [new GrantedInterface(Consumer, functions)]);
        var refused = Assert.IsType<WorkerEnd.Refused>(await worker.End);
        Assert.Contains(expected, refused.Problem, StringComparison.Ordinal);
        Assert.True(refused.IsAlarm);
    }

    [Fact]
    public async Task Refuses_and_raises_an_alarm_when_a_granted_export_is_not_there()
    {
        await using var worker = WorkerHarness.Start(Guest.Content(), exports: [Bare, new GrantedInterface("", ["init"]), Command]);
        var refused = Assert.IsType<WorkerEnd.Refused>(await worker.End);
        Assert.Contains("does not export what was decided on: [#init, wasi:cli/run@0.2.3#run]", refused.Problem, StringComparison.Ordinal);
        Assert.True(refused.IsAlarm);
    }

    [Theory]
    [InlineData(0, true)]
    [InlineData(1, false)]
    public async Task Runs_a_command_of_wasi_at_any_version_of_its_track(int result, bool ok)
    {
        await using var worker = WorkerHarness.Start(Guest.Command(result));
        await worker.MessageAsync<ComponentStarted>();
        Assert.Equal(ok, (await worker.MessageAsync<GuestReturned>()).IsOk);
    }

    [Fact]
    public async Task Of_two_entry_points_calls_the_one_that_is_granted()
    {
        await using var command = WorkerHarness.Start(Guest.Command(alsoBare: true), exports: [Command]);
        Assert.True((await command.MessageAsync<GuestReturned>()).IsOk);
        await using var bare = WorkerHarness.Start(Guest.Command(alsoBare: true), exports: [Bare]);
        Assert.IsType<WorkerEnd.Trapped>(await bare.End);
    }

    [Fact]
    public async Task Calls_no_export_that_is_not_granted_and_says_what_policy_would_say()
    {
        await using var content = WorkerHarness.Start(Guest.Content(), exports: []);
        var refused = Assert.IsType<WorkerEnd.Refused>(await content.End);
        Assert.Contains("nothing grants a call of its export; policy would say `export: \"#run\"`", refused.Problem, StringComparison.Ordinal);
        Assert.False(refused.IsAlarm);

        await using var command = WorkerHarness.Start(Guest.Command(), exports: []);
        Assert.Contains("export: \"wasi:cli/run@0.2.0#run\"", Assert.IsType<WorkerEnd.Refused>(await command.End).Problem, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Gives_a_guest_no_token_that_logs_in_to_nats()
    {
        // The guest asks for the audience "aaa…", which here is that of the host's own login.
        var access = new NatsAccess("tls://127.0.0.1:1", "/dev/null", new string('a', 30), "spiffe://example.org/nats-server");
        await using var worker = WorkerHarness.Start(Guest.AskingForItsToken(), [Store], nats: access);
        var returned = await worker.MessageAsync<GuestReturned>();
        Assert.False(returned.IsOk);
        Assert.Contains("log in to NATS, which the host does", returned.Text, StringComparison.Ordinal);
    }
}
