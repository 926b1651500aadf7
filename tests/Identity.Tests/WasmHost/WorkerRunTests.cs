using System.Diagnostics;
using Identity.WasmHost.Supervision;
using Identity.WasmHost.WorkerProtocol;

namespace Identity.Tests.WasmHost;

public sealed class WorkerRunTests
{
    private const string Store = "wasmcloud:identity/store@0.0.1";
    private const string Consumer = "wasmcloud:messaging/consumer@0.2.0";

    [Fact]
    public async Task Keeps_the_instance_after_run_returned_until_it_is_stopped()
    {
        await using var worker = WorkerHarness.Start(Guest.Content());
        var returned = await worker.MessageAsync<GuestReturned>();
        Assert.True(returned.IsOk);
        Assert.Equal("aaa", returned.Text);
        Assert.False(worker.End.IsCompleted);
        Assert.IsType<WorkerEnd.Stopped>(await worker.StopAsync());
        Assert.Throws<ArgumentException>(() => Process.GetProcessById(worker.ProcessId));
    }

    [Fact]
    public async Task Ends_an_infinite_loop_when_its_fuel_is_used_up()
    {
        await using var worker = WorkerHarness.Start(Guest.Running("(loop $l (br $l)) unreachable"), limits: new() { Fuel = 1_000_000 });
        Assert.Equal(TrapCause.FuelUsedUp, Assert.IsType<WorkerEnd.Trapped>(await worker.End).Cause);
    }

    [Fact]
    public async Task Ends_an_infinite_loop_when_its_time_is_over()
    {
        await using var worker = WorkerHarness.Start(
            Guest.Running("(loop $l (br $l)) unreachable"), limits: new() { Fuel = ulong.MaxValue, CallMilliseconds = 100 });
        Assert.Equal(TrapCause.DeadlinePassed, Assert.IsType<WorkerEnd.Trapped>(await worker.End).Cause);
    }

    [Fact]
    public async Task Ends_a_loop_in_a_start_function_too()
    {
        var looping = Guest.Running("unreachable", module: "(func $loop (loop $l (br $l))) (start $loop)");
        await using var worker = WorkerHarness.Start(looping, limits: new() { Fuel = 1_000_000 });
        Assert.Equal(TrapCause.FuelUsedUp, Assert.IsType<WorkerEnd.Trapped>(await worker.End).Cause);
    }

    [Fact]
    public async Task Kills_a_worker_whose_guest_sleeps_inside_wasi_beyond_its_time()
    {
        // Epochs pass only in guest code; this guest waits an hour in the host, where it is long before its time is over.
        var sleeping = Guest.Running(
            "(call $block (call $subscribe (i64.const 3600000000000))) unreachable",
            """
            (import "wasi:io/poll@0.2.0" (instance $poll
              (export "pollable" (type $pollable (sub resource)))
              (export "[method]pollable.block" (func (param "self" (borrow $pollable))))))
            (alias export $poll "pollable" (type $pollable))
            (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
              (alias outer 1 $pollable (type $pollable'))
              (export "pollable" (type $p (eq $pollable')))
              (export "subscribe-duration" (func (param "when" u64) (result (own $p))))))
            """,
            """
            (core func $block (canon lower (func $poll "[method]pollable.block")))
            (core func $subscribe (canon lower (func $clock "subscribe-duration")))
            """,
            """(import "host" "block" (func $block (param i32))) (import "host" "subscribe" (func $subscribe (param i64) (result i32)))""",
            """(with "host" (instance (export "block" (func $block)) (export "subscribe" (func $subscribe))))""");
        await using var worker = WorkerHarness.Start(
            sleeping, ["wasi:io/poll@0.2.0", "wasi:clocks/monotonic-clock@0.2.0"], new() { CallMilliseconds = 1000 });
        Assert.Contains("in time", Assert.IsType<WorkerEnd.Killed>(await worker.End).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Gives_no_more_memory_than_its_ceiling()
    {
        // Grows until growing fails, then says how many pages it has: as many as the ceiling allows, beside the 100 of its allocator.
        var growing = Guest.Running(
            "(loop $l (br_if $l (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) (call $say (i32.const 0) (i32.const 1024) (i32.shr_u (memory.size) (i32.const 4)))");
        await using var worker = WorkerHarness.Start(growing, limits: new() { MemoryBytes = 160 << 16 });
        Assert.Equal(10, (await worker.MessageAsync<GuestReturned>()).Text.Length);
    }

    [Fact]
    public async Task Refuses_a_component_with_more_memories_than_its_ceiling()
    {
        var modules = string.Join('\n', Enumerable.Range(0, 9).Select(i => $"(core module $m{i} (memory 1)) (core instance (instantiate $m{i}))"));
        await using var worker = WorkerHarness.Start(Guest.Running("unreachable", imports: modules));
        Assert.IsType<WorkerEnd.Trapped>(await worker.End);
    }

    [Fact]
    public async Task Survives_endless_recursion_of_a_guest()
    {
        var recursing = Guest.Running("(call $deeper) unreachable", module: "(func $deeper (call $deeper) (call $deeper))");
        await using var worker = WorkerHarness.Start(recursing);
        Assert.Contains("stack", Assert.IsType<WorkerEnd.Trapped>(await worker.End).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Loses_only_the_worker_whose_guest_traps()
    {
        await using var content = WorkerHarness.Start(Guest.Content());
        await content.MessageAsync<GuestReturned>();
        await using var trapping = WorkerHarness.Start(Guest.Running("unreachable"));
        Assert.Equal(TrapCause.Other, Assert.IsType<WorkerEnd.Trapped>(await trapping.End).Cause);
        Assert.False(content.End.IsCompleted);
    }

    [Fact]
    public async Task Says_so_when_the_process_is_killed()
    {
        await using var worker = WorkerHarness.Start(Guest.Content());
        await worker.MessageAsync<GuestReturned>();
        using (var process = Process.GetProcessById(worker.ProcessId)) process.Kill();
        Assert.Equal(137, Assert.IsType<WorkerEnd.Died>(await worker.End).ExitCode);
    }

    [Fact]
    public async Task Gives_a_guest_the_token_of_its_own_admission_and_no_choice_in_it()
    {
        await using var worker = WorkerHarness.Start(Guest.AskingForItsToken(), [Store], token: "token-of-this-admission");
        await using var other = WorkerHarness.Start(Guest.AskingForItsToken(), [Store], token: "token-of-another");
        Assert.Equal("token-of-this-admission", (await worker.MessageAsync<GuestReturned>()).Text);
        Assert.Equal("token-of-another", (await other.MessageAsync<GuestReturned>()).Text);
        Assert.Equal([new string('a', 30)], worker.Audiences);
    }

    [Fact]
    public async Task Refuses_a_message_body_over_its_ceiling()
    {
        await using var worker = WorkerHarness.Start(Guest.Publishing(2049), [Consumer], new() { MessageBytes = 2048 });
        var returned = await worker.MessageAsync<GuestReturned>();
        Assert.False(returned.IsOk);
        Assert.Equal("a body has at most 2048 bytes; this one has 2049", returned.Text);
    }

    [Fact]
    public async Task Refuses_to_publish_for_a_component_without_a_nats_grant()
    {
        await using var worker = WorkerHarness.Start(Guest.Publishing(1), [Consumer]);
        Assert.Equal("this component was granted no NATS subject", (await worker.MessageAsync<GuestReturned>()).Text);
    }

    [Fact]
    public async Task Says_of_a_host_without_nats_that_it_is_the_host_and_not_a_grant()
    {
        await using var worker = WorkerHarness.Start(Guest.Publishing(1), [Consumer], hostHasNats: false);
        Assert.Equal("this host was started without --nats-url, so no component on it has a NATS connection", (await worker.MessageAsync<GuestReturned>()).Text);
    }

    [Theory]
    [InlineData("""{"type":"ready"}""", """{"type":"ready"}""")]
    [InlineData("""{"type":"started"}""")]
    [InlineData("""{"type":"ready"}""", """{"type":"returned","isOk":true,"text":""}""")]
    [InlineData("""{"type":"ready"}""", """{"type":"started"}""", """{"type":"started"}""")]
    [InlineData("""{"type":"ready"}""", """{"type":"started"}""", """{"type":"returned","isOk":true,"text":""}""", """{"type":"returned","isOk":true,"text":""}""")]
    public async Task Kills_a_worker_that_says_out_of_turn_what_opens_time_or_output_to_it(params string[] said)
    {
        // A worker that was taken over: it says what it likes, then waits to be killed.
        var frames = string.Concat(said.Select(text => $"printf '\\{Convert.ToString(text.Length, 8)}\\0\\0\\0%s' '{text}'\n"));
        Assert.Contains("not its to send", Assert.IsType<WorkerEnd.Killed>(await EndOfAsync($"{frames}exec sleep 600", TestContext.Current.CancellationToken)).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Kills_a_worker_that_closes_its_output_and_lives_on() =>
        Assert.Contains("closed its output", Assert.IsType<WorkerEnd.Killed>(await EndOfAsync("exec sleep 600 >&-", TestContext.Current.CancellationToken)).Reason, StringComparison.Ordinal);

    [Fact]
    public async Task Kills_at_once_when_its_admission_ends_a_worker_that_has_closed_its_output()
    {
        using var admission = new CancellationTokenSource();
        // Time stands still, so only the end of the admission can be what ends it.
        var ending = EndOfAsync("exec sleep 600 >&-", admission.Token, new Microsoft.Extensions.Time.Testing.FakeTimeProvider());
        await admission.CancelAsync();
        Assert.IsType<WorkerEnd.Stopped>(await ending);
    }

    /// <summary>What becomes of a worker that was taken over and now runs this shell script.</summary>
    private static async Task<WorkerEnd> EndOfAsync(string shell, CancellationToken admission, TimeProvider? time = null)
    {
        var folder = Directory.CreateTempSubdirectory("worker-");
        try
        {
            var script = Path.Combine(folder.FullName, "worker");
            await File.WriteAllTextAsync(script, $"#!/bin/sh\n{shell}\n", TestContext.Current.CancellationToken);
            File.SetUnixFileMode(script, UnixFileMode.UserRead | UnixFileMode.UserExecute);
            var run = new WorkerRun(
                WorkerCommand.Of(script),
                new AdmittedComponent("guest", new byte[8], [], [], null, new WorkerLimits { StartMilliseconds = 600_000, CallMilliseconds = 600_000 }, null),
                (_, _) => Task.FromResult<TokenResult>(new TokenResult.Refused("none")),
                _ => { },
                time ?? TimeProvider.System);
            return await run.RunAsync(admission).WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
