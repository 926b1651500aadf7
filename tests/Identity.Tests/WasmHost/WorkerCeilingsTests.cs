using Google.Protobuf.WellKnownTypes;
using Identity.Agent.Admission;
using Identity.Agent.ControlPlane;
using Identity.Policy;
using Identity.V1;
using Identity.WasmHost.Supervision;
using Identity.WasmHost.WorkerProtocol;
using Spiffe.Net;
using Decision = Identity.Policy.Decision;
using LiveAdmission = Identity.Agent.Admission.LiveAdmission;

namespace Identity.Tests.WasmHost;

/// <summary>Each ceiling from the text of a policy, through the agent's answer and the supervisor, into a real worker: what it says holds there, exactly.</summary>
public sealed class WorkerCeilingsTests
{
    private static readonly SpiffeId Host = SpiffeId.Parse("spiffe://example.org/hosts/local");

    private static readonly SpiffeId Id = SpiffeId.Parse("spiffe://example.org/guest");

    private const string Spinning = "(loop $l (br $l)) unreachable";

    /// <summary>A ceiling, a guest that needs just so much, and the ceiling under which it traps.</summary>
    public static TheoryData<string, string, string> Counts => new()
    {
        // One memory is the guest's own.
        { "memories: 4", "memories: 3", Modules(3, "(memory 1)") },
        // Two instances are the guest's own.
        { "instances: 7", "instances: 6", Modules(5, "") },
        { "tables: 3", "tables: 2", Modules(3, "(table 1 funcref)") },
        { "tableElements: 100", "tableElements: 99", Modules(1, "(table 100 funcref)") },
        // 100 pages are the guest's own.
        { "memory: 12800KiB", "memory: 12736KiB", Modules(1, "(memory 200)") },
    };

    [Theory]
    [MemberData(nameof(Counts))]
    public async Task A_guest_runs_with_what_it_needs_and_not_with_less(string enough, string tooLittle, string modules)
    {
        var component = Guest.Running("(call $say (i32.const 0) (i32.const 1024) (i32.const 3))", imports: modules);
        await using var running = await StartAsync(component, enough);
        Assert.True((await running.MessageAsync<GuestReturned>()).IsOk);
        await using var trapping = await StartAsync(component, tooLittle);
        Assert.IsType<WorkerEnd.Trapped>(await trapping.End);
    }

    [Theory]
    [InlineData("fuel: 1000000, time: 24h", nameof(TrapCause.FuelUsedUp))]
    [InlineData("fuel: 1000000000000, time: 100ms", nameof(TrapCause.DeadlinePassed))]
    public async Task A_guest_that_does_not_end_is_ended_by_the_ceiling_that_it_meets_first(string ceilings, string cause)
    {
        await using var worker = await StartAsync(Guest.Running(Spinning), ceilings);
        Assert.Equal(cause, Assert.IsType<WorkerEnd.Trapped>(await worker.End).Cause.ToString());
    }

    [Theory]
    // Pages of 64 KiB, beside the 100 that it begins with; what could be had and one more, which could not.
    [InlineData("memory: 32MiB", 412)]
    [InlineData("memory: 4GiB", 65436)]
    public async Task A_memory_grows_to_its_ceiling_and_no_further(string ceiling, int pages)
    {
        var growing = Guest.Running($"""
            (call $say
              (i32.or (i32.eq (memory.grow (i32.const {pages})) (i32.const -1)) (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))
              (i32.const 1024) (i32.const 3))
            """);
        await using var worker = await StartAsync(growing, ceiling);
        Assert.True((await worker.MessageAsync<GuestReturned>()).IsOk);
    }

    [Fact]
    public async Task A_table_grows_to_its_ceiling_and_no_further()
    {
        var growing = Guest.Running(
            """
            (call $say
              (i32.or (i32.eq (table.grow $t (ref.null func) (i32.const 40)) (i32.const -1)) (i32.ne (table.grow $t (ref.null func) (i32.const 1)) (i32.const -1)))
              (i32.const 1024) (i32.const 3))
            """, module: "(table $t 10 funcref)");
        await using var worker = await StartAsync(growing, "tableElements: 50");
        Assert.True((await worker.MessageAsync<GuestReturned>()).IsOk);
    }

    [Theory]
    [InlineData("memory: 64KiB, memories: 1, fuel: 1, time: 1ms, instances: 1, tables: 1, tableElements: 1")]
    [InlineData("memory: 4GiB, memories: 10000, fuel: 1000000000000, time: 24h, instances: 10000, tables: 10000, tableElements: 10000000")]
    public async Task The_least_and_the_most_that_policy_may_state_reach_the_worker_as_they_are(string ceilings)
    {
        var stated = Decide(Guest.Content(), ceilings).Ceilings;
        var limits = await LimitsAsync(Guest.Content(), ceilings);
        Assert.Equal(
            (stated.MemoryBytes, stated.Memories, (ulong)stated.Fuel, stated.Time.TotalMilliseconds, stated.Instances, stated.Tables, (uint)stated.TableElements),
            (limits.MemoryBytes, limits.Memories, limits.Fuel, limits.CallMilliseconds, limits.Instances, limits.Tables, limits.TableElements));
    }

    [Fact]
    public async Task More_than_policy_may_state_is_cut_and_what_is_left_out_is_the_hosts_own()
    {
        var most = new Ceilings { MemoryBytes = ulong.MaxValue, Memories = uint.MaxValue, Instances = uint.MaxValue, Tables = uint.MaxValue, Time = Duration.FromTimeSpan(TimeSpan.FromDays(2)) };
        await using var cut = new AdmittedRun(new Admitted { Ceilings = most }, TimeProvider.System);
        Assert.Equal((4L << 30, 10_000, 10_000, 10_000, 86_400_000), (cut.Limits().MemoryBytes, cut.Limits().Memories, cut.Limits().Instances, cut.Limits().Tables, cut.Limits().CallMilliseconds));
        await using var own = new AdmittedRun(new Admitted { Ceilings = new Ceilings() }, TimeProvider.System);
        Assert.Equal(new WorkerLimits(), own.Limits());
    }

    private static string Modules(int count, string content) =>
        string.Join('\n', Enumerable.Range(0, count).Select(number => $"(core module $m{number} {content}) (core instance (instantiate $m{number}))"));

    private static async Task<WorkerHarness> StartAsync(byte[] component, string ceilings) => WorkerHarness.Start(component, limits: await LimitsAsync(component, ceilings));

    private static async Task<WorkerLimits> LimitsAsync(byte[] component, string ceilings)
    {
        await using var run = new AdmittedRun(Admitted(component, ceilings), TimeProvider.System);
        return run.Limits();
    }

    // As the agent answers the host.
    private static Admitted Admitted(byte[] bytes, string ceilings)
    {
        var entry = new AuthorizedEntry
        {
            Id = "e",
            Revision = 1,
            SpiffeId = Id,
            Parent = Host,
            Selectors = ["wasm:name:guest"],
            FederatesWith = [],
            Hint = "",
            ExpiresAt = 0,
            CreatedAt = 0,
            IsPrivileged = false,
        };
        var component = new UploadedComponent(Host, "guest", ComponentDigest.Of(bytes), Imports(bytes));
        using var live = new LiveAdmission("a", Host, entry, component.Digest, component.Signers);
        var answer = new AdmissionAnswer.Yes(entry, Decide(bytes, ceilings), TimeProvider.System.GetUtcNow().AddHours(1));
        return DecisionText.Message(live, component, answer, new Identity.V1.Decision());
    }

    private static Decision.Admitted Decide(byte[] bytes, string ceilings)
    {
        var policy = CapabilityPolicy.FromSources(
            [$"kind: CapabilityPolicy\nname: p\nrules:\n  - {{ name: r, effect: permit, subjects: [{{ spiffeIdPrefix: spiffe://example.org }}], capabilities: [start], ceilings: {{ {ceilings} }} }}\n"], 1);
        var start = new ComponentStart(Id, Host, ComponentDigest.Of(bytes), "guest", Imports(bytes));
        return Assert.IsType<Decision.Admitted>(ComponentAdmission.Decide(policy, start, DateTimeOffset.UnixEpoch));
    }

    private static ComponentImports Imports(byte[] bytes)
    {
        Assert.True(ComponentReader.TryRead(bytes, out var imports, out var problem), problem);
        return imports;
    }
}
