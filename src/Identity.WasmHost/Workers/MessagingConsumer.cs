using Identity.WasmHost.WorkerProtocol;
using Wasmtime.Components;

namespace Identity.WasmHost.Workers;

/// <summary>
/// <c>wasmcloud:messaging/consumer@0.2.0</c> over the component's own NATS connection. nats-server decides what may be published; a
/// refusal reaches the guest as the WIT error.
/// </summary>
/// <param name="nats">Null: the component has no connection.</param>
/// <param name="hostHasNats">Whether that is for want of a grant; otherwise no component on this host has one.</param>
internal sealed class MessagingConsumer(NatsPublisher? nats, WorkerLimits limits, bool hostHasNats)
{

    public void Define(ComponentLinkerInstance root, NativeImport import)
    {
        using var consumer = root.AddInstance(HostInterfaces.MessagingConsumer);
        foreach (var member in import.Members)
        {
            if (member.Name == "publish") consumer.DefineFunction("publish", (arguments, results) => results[0] = Publish(arguments));
            if (member.Name == "request") consumer.DefineFunction("request", (arguments, results) => results[0] = Request(arguments));
        }
    }

    private string WhyNoNats => hostHasNats ? "this component was granted no NATS subject" : "this host was started without --nats-url, so no component on it has a NATS connection";

    private ComponentValue Publish(ReadOnlySpan<ComponentValue> arguments)
    {
        if (arguments is not [{ Kind: ComponentValueKind.Record } message]
            || !TryGetString(message, "subject", out var subject)
            || !message.TryGetField("body", out var body) || body is null || !message.TryGetField("reply-to", out var replyTo))
            return Error("expected one broker-message");
        if (!TryReadBody(body, out var bytes, out var problem)) return Error(problem);
        if (nats is null) return Error(WhyNoNats);
        var reply = replyTo is { Kind: ComponentValueKind.Option, IsSome: true, Payload: { } payload } ? payload.AsString() : null;
        // Blocking the guest's own thread: see IdentityStore.
        var refusal = nats.PublishAsync(subject, bytes, reply).GetAwaiter().GetResult();
        return refusal is null ? ComponentValue.Ok(null) : Error(refusal);
    }

    private ComponentValue Request(ReadOnlySpan<ComponentValue> arguments)
    {
        if (arguments is not [{ Kind: ComponentValueKind.String } subject, var body, { Kind: ComponentValueKind.U32 } timeout])
            return Error("expected subject, body and timeout-ms");
        if (!TryReadBody(body, out var bytes, out var problem)) return Error(problem);
        if (nats is null) return Error(WhyNoNats);
        var milliseconds = Math.Clamp(timeout.AsU32(), 1, (uint)limits.CallMilliseconds);
        var answer = nats.RequestAsync(subject.AsString(), bytes, TimeSpan.FromMilliseconds(milliseconds)).GetAwaiter().GetResult();
        if (answer.Problem is { } refusal) return Error(refusal);
        if (answer.Body.Length > limits.MessageBytes) return Error($"the reply has {answer.Body.Length} bytes; at most {limits.MessageBytes} are taken");
        return ComponentValue.Ok(ComponentValue.Record(
        [
            new("subject", ComponentValue.String(answer.Subject)),
            new("body", ComponentValue.List([.. answer.Body.Select(ComponentValue.U8)])),
            new("reply-to", answer.ReplyTo is null ? ComponentValue.None() : ComponentValue.Some(ComponentValue.String(answer.ReplyTo))),
        ]));
    }

    private bool TryReadBody(ComponentValue body, out byte[] bytes, out string problem)
    {
        bytes = [];
        problem = "the body is no list of bytes";
        if (body.Kind != ComponentValueKind.List) return false;
        var elements = body.AsList();
        problem = $"a body has at most {limits.MessageBytes} bytes; this one has {elements.Count}";
        if (elements.Count > limits.MessageBytes) return false;
        bytes = new byte[elements.Count];
        for (var i = 0; i < bytes.Length; i++) bytes[i] = elements[i].AsU8();
        problem = "";
        return true;
    }

    private static bool TryGetString(ComponentValue record, string field, out string text)
    {
        text = record.TryGetField(field, out var value) && value is { Kind: ComponentValueKind.String } ? value.AsString() : "";
        return text.Length > 0;
    }

    private static ComponentValue Error(string message) => ComponentValue.Err(ComponentValue.String(message));
}
