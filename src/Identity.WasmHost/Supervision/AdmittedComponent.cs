using Identity.WasmHost.WorkerProtocol;

namespace Identity.WasmHost.Supervision;

/// <summary>A component that may run: its bytes and everything that the decision attached to them.</summary>
/// <param name="Imports">The interfaces on which was decided, spelt as the component imports them, with the functions it imports of each.</param>
/// <param name="Exports">What may be called on it.</param>
internal sealed record AdmittedComponent(
    string Name,
    ReadOnlyMemory<byte> Bytes,
    IReadOnlyList<GrantedInterface> Imports,
    IReadOnlyList<GrantedInterface> Exports,
    NatsAccess? Nats,
    WorkerLimits Limits,
    string? Traceparent)
{
    /// <summary>Whether this host was told of a nats-server.</summary>
    public bool HostHasNats { get; init; } = true;
}

/// <summary>Why a worker is no longer there.</summary>
internal abstract record WorkerEnd
{
    private WorkerEnd()
    {
    }

    /// <summary>The component cannot run here and would be refused again.</summary>
    public sealed record Refused(string Problem, bool IsAlarm) : WorkerEnd;

    public sealed record Trapped(TrapCause Cause, string Text) : WorkerEnd;

    /// <summary>The process ended by itself or by a signal: 128 plus its number, as a shell says it.</summary>
    public sealed record Died(int ExitCode) : WorkerEnd;

    /// <summary>The supervisor killed it because it was late, or spoke what is no message.</summary>
    public sealed record Killed(string Reason) : WorkerEnd;

    /// <summary>The supervisor was asked to stop it.</summary>
    public sealed record Stopped : WorkerEnd;
}
