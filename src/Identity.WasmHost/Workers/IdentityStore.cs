using Wasmtime.Components;

namespace Identity.WasmHost.Workers;

/// <summary>
/// <c>wasmcloud:identity/store@0.0.1</c>: a component asks for its own JWT-SVID. Callbacks answer with a WIT error and never throw, since
/// an exception traps the guest and spoils its store.
/// </summary>
/// <param name="ownAudience">Of the token that this process logs in to NATS with; the guest has no use for it. Null without NATS.</param>
internal sealed class IdentityStore(TokenRequests tokens, string? ownAudience)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    public void Define(ComponentLinkerInstance root, NativeImport import)
    {
        using var store = root.AddInstance(HostInterfaces.IdentityStore);
        if (import.Functions.Contains("get")) store.DefineFunction("get", (arguments, results) => results[0] = Get(arguments));
    }

    private ComponentValue Get(ReadOnlySpan<ComponentValue> arguments)
    {
        if (arguments is not [{ Kind: ComponentValueKind.String } argument]) return Error("other", "expected one string, the audience");
        var audience = argument.AsString();
        if (audience.Length is 0 or > TokenRequests.MaxAudience)
            return Error("other", $"an audience has 1 to {TokenRequests.MaxAudience} characters; this one has {audience.Length}");
        if (audience == ownAudience) return Error("other", "tokens for this audience log in to NATS, which the host does for this component");
        try
        {
            using var timeout = new CancellationTokenSource(Patience);
            // The guest's thread is ours to block: Wasmtime calls back synchronously and nothing else runs on it.
            var answer = tokens.AskAsync(audience, timeout.Token).GetAwaiter().GetResult();
            return answer.Token is { } token
                ? ComponentValue.Ok(ComponentValue.Some(ComponentValue.String(token)))
                : Error("other", answer.Problem ?? "no token");
        }
        catch (Exception e) when (e is OperationCanceledException or IOException or ObjectDisposedException)
        {
            return Error("io", "the host's supervisor did not answer");
        }
    }

    private static ComponentValue Error(string name, string message) =>
        ComponentValue.Err(ComponentValue.Variant(name, ComponentValue.String(message)));
}
