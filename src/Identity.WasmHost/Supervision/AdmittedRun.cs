using Identity.V1;
using Identity.WasmHost.WorkerProtocol;

namespace Identity.WasmHost.Supervision;

/// <summary>
/// One admission while it lasts: the newest answer about it, and a clock that ends it when the lease runs out unrenewed.
/// </summary>
internal sealed class AdmittedRun : IAsyncDisposable
{
    // What policy may state (64-bit memories are switched off, and 32 bits address no more).
    private const ulong MostMemoryBytes = 4UL << 30;
    private const uint MostCount = 10_000;
    private static readonly TimeSpan LongestCall = TimeSpan.FromHours(24);

    private readonly TimeProvider time;
    private readonly CancellationTokenSource lease;
    private readonly CancellationTokenSource stopped = new();
    private readonly CancellationTokenSource ended;
    private volatile Admitted admitted;

    public AdmittedRun(Admitted admitted, TimeProvider time)
    {
        this.admitted = admitted;
        this.time = time;
        lease = new CancellationTokenSource(Remaining(admitted), time);
        ended = CancellationTokenSource.CreateLinkedTokenSource(lease.Token, stopped.Token);
    }

    public Admitted Admitted => admitted;

    public DateTimeOffset ExpiresAt => admitted.ExpiresAt?.ToDateTimeOffset() ?? DateTimeOffset.MinValue;

    public bool HasExpired => lease.IsCancellationRequested;

    /// <summary>Cancelled when the component must be gone.</summary>
    public CancellationToken Ended => ended.Token;

    /// <summary>The flow that keeps a worker running; it ends with <see cref="Ended"/>.</summary>
    public Task Running { get; set; } = Task.CompletedTask;

    /// <summary>
    /// True when the answer gives the same authority, so that the running instance may keep it: the lease moves, and tokens are fetched under
    /// the newest admission (an agent that came back gives a new one).
    /// </summary>
    public bool TryRenew(Admitted newest)
    {
        if (Running.IsCompleted || HasExpired || !Authority(newest).Equals(Authority(admitted))) return false;
        admitted = newest;
        lease.CancelAfter(Remaining(newest));
        return !HasExpired;
    }

    /// <summary>Returns when the worker is gone.</summary>
    public async ValueTask DisposeAsync()
    {
        await stopped.CancelAsync();
        await Running;
        ended.Dispose();
        stopped.Dispose();
        lease.Dispose();
    }

    /// <summary>What to link. Of an import whose functions the agent did not tell, none.</summary>
    public IReadOnlyList<GrantedInterface> Imports() =>
        [.. admitted.Imports.Select(name => new GrantedInterface(name, [.. admitted.Linked.Where(linked => linked.Name == name).SelectMany(linked => linked.Functions)]))];

    /// <summary>What may be called.</summary>
    public IReadOnlyList<GrantedInterface> Exports() => [.. admitted.Exports.Select(export => new GrantedInterface(export.Name, [.. export.Functions]))];

    /// <summary>Null when the component may say nothing on NATS, or this host has none.</summary>
    public NatsAccess? NatsAccess(NatsAccess? host) => host is not null && admitted.Nats is { } grant && grant.Publish.Count + grant.Subscribe.Count > 0
        ? host with { InboxPrefix = grant.InboxPrefix is { Length: > 0 } prefix ? prefix : null }
        : null;

    /// <summary>The policy's ceilings. A value it leaves out is the host's own; above what this host can hold is all that it can.</summary>
    public WorkerLimits Limits()
    {
        var own = new WorkerLimits();
        if (admitted.Ceilings is not { } ceilings) return own;
        return own with
        {
            MemoryBytes = ceilings.MemoryBytes > 0 ? (long)Math.Min(ceilings.MemoryBytes, MostMemoryBytes) : own.MemoryBytes,
            Fuel = ceilings.Fuel > 0 ? ceilings.Fuel : own.Fuel,
            CallMilliseconds = ceilings.Time is { } call && call.ToTimeSpan() > TimeSpan.Zero
                ? (int)Math.Clamp(call.ToTimeSpan().TotalMilliseconds, 1, LongestCall.TotalMilliseconds)
                : own.CallMilliseconds,
            Instances = Bounded(ceilings.Instances, own.Instances),
            Memories = Bounded(ceilings.Memories, own.Memories),
            Tables = Bounded(ceilings.Tables, own.Tables),
            TableElements = ceilings.TableElements > 0 ? ceilings.TableElements : own.TableElements,
        };
    }

    private static int Bounded(uint value, int own) => value > 0 ? (int)Math.Min(value, MostCount) : own;

    // What a change of must restart the component; not which admission it is, why, or until when.
    private static Admitted Authority(Admitted admitted)
    {
        var authority = admitted.Clone();
        authority.AdmissionId = "";
        authority.Decision = null;
        authority.ExpiresAt = null;
        return authority;
    }

    private TimeSpan Remaining(Admitted lease)
    {
        // No expiry is no lease. CancellationTokenSource takes at most about 49 days.
        var remaining = (lease.ExpiresAt?.ToDateTimeOffset() ?? DateTimeOffset.MinValue) - time.GetUtcNow();
        return remaining < TimeSpan.Zero ? TimeSpan.Zero : remaining > TimeSpan.FromDays(30) ? TimeSpan.FromDays(30) : remaining;
    }
}
