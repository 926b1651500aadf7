using System.Text.Json.Serialization;

namespace Identity.WasmHost.WorkerProtocol;

/// <summary>
/// What supervisor and worker say to each other. A worker runs one component, so no message names one: what the worker may have is decided
/// by the channel it speaks on. Classes, not records: some carry tokens, and a record prints its properties.
/// </summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "type")]
[JsonDerivedType(typeof(StartComponent), "start")]
[JsonDerivedType(typeof(TokenAnswer), "token")]
[JsonDerivedType(typeof(WorkerReady), "ready")]
[JsonDerivedType(typeof(ComponentRefused), "refused")]
[JsonDerivedType(typeof(ComponentStarted), "started")]
[JsonDerivedType(typeof(NatsChanged), "nats")]
[JsonDerivedType(typeof(TokenWanted), "token-wanted")]
[JsonDerivedType(typeof(GuestPrinted), "printed")]
[JsonDerivedType(typeof(GuestReturned), "returned")]
[JsonDerivedType(typeof(GuestTrapped), "trapped")]
internal abstract class WorkerMessage;

/// <summary>Supervisor to worker, once: run this component with exactly these grants.</summary>
internal sealed class StartComponent : WorkerMessage
{
    public required string Name { get; init; }

    public required byte[] Component { get; init; }

    /// <summary>The imports on which admission was decided, with their functions; the compiled component must have the same.</summary>
    public required IReadOnlyList<GrantedInterface> Imports { get; init; }

    /// <summary>What may be called on the component; functions that it exports by themselves under the empty name.</summary>
    public required IReadOnlyList<GrantedInterface> Exports { get; init; }

    public WorkerLimits Limits { get; init; } = new();

    /// <summary>Null: the component has no NATS connection.</summary>
    public NatsAccess? Nats { get; init; }

    /// <summary>Whether this host could give it one.</summary>
    public bool HostHasNats { get; init; } = true;

    /// <summary>W3C trace context of the start, passed on with what the component publishes; null when there is none.</summary>
    public string? Traceparent { get; init; }
}

/// <summary>An interface as the component spells it, and what of it is granted.</summary>
internal sealed record GrantedInterface(string Name, IReadOnlyList<string> Functions);

/// <summary>Supervisor to worker: the answer to <see cref="TokenWanted"/>. Without a token, <see cref="Problem"/> says why.</summary>
internal sealed class TokenAnswer : WorkerMessage
{
    public required int Request { get; init; }

    public string? Token { get; init; }

    public string? Problem { get; init; }
}

/// <summary>The binding does what this code expects of it; <see cref="StartComponent"/> may be sent.</summary>
internal sealed class WorkerReady : WorkerMessage;

/// <summary>The component was not started. <see cref="IsAlarm"/>: compiled and decided imports differ, which no honest component reaches.</summary>
internal sealed class ComponentRefused : WorkerMessage
{
    public required string Problem { get; init; }

    public bool IsAlarm { get; init; }
}

internal sealed class ComponentStarted : WorkerMessage;

internal sealed class NatsChanged : WorkerMessage
{
    public required bool IsConnected { get; init; }

    public string? Problem { get; init; }
}

internal sealed class TokenWanted : WorkerMessage
{
    public required int Request { get; init; }

    public required string Audience { get; init; }
}

/// <summary>A line the guest wrote to its standard output or error.</summary>
internal sealed class GuestPrinted : WorkerMessage
{
    public required string Text { get; init; }
}

/// <summary>The guest's <c>run</c> came back; its instance lives on until the admission ends.</summary>
internal sealed class GuestReturned : WorkerMessage
{
    public required bool IsOk { get; init; }

    public required string Text { get; init; }
}

internal sealed class GuestTrapped : WorkerMessage
{
    public required TrapCause Cause { get; init; }

    public required string Text { get; init; }
}

[JsonConverter(typeof(JsonStringEnumConverter<TrapCause>))]
internal enum TrapCause
{
    Other,
    FuelUsedUp,
    DeadlinePassed,
    Exited,
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow)]
[JsonSerializable(typeof(WorkerMessage))]
internal sealed partial class WorkerJson : JsonSerializerContext;
