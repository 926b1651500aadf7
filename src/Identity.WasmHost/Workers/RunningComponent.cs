using Identity.WasmHost.WorkerProtocol;
using Wasmtime;
using Wasmtime.Components;

namespace Identity.WasmHost.Workers;

/// <summary>
/// One admitted component from bytes to end, on a thread of its own: gate, link, instantiate, call <c>run</c> once, keep the instance. Only
/// what was granted is linked, and every host function is bound to this component's identity when it is defined.
/// </summary>
internal sealed class RunningComponent(
    WorkerEngine engine, StartComponent start, TokenRequests tokens, NatsPublisher? nats, Action<WorkerMessage> report) : IDisposable
{
    /// <summary>The exports this host calls; components carry others that are not meant for it.</summary>
    private const string RunExport = "run";

    private const string CommandInterface = "wasi:cli/run@0.2.0";

    private const int MaxText = 4096;

    private readonly List<IDisposable> kept = [];

    /// <summary>True when the instance lives on; false when it was refused or has trapped, and this worker has nothing left to do.</summary>
    public bool Run()
    {
        switch (ComponentGate.Compile(engine.Engine, start.Component, start.Imports))
        {
            case ComponentGate.Answer.Passed passed:
                kept.Add(passed.Component);
                return Instantiate(passed.Component, passed.Imports);
            case ComponentGate.Answer.Refused refused:
                report(new ComponentRefused { Problem = Printable(refused.Problem), IsAlarm = refused.IsAlarm });
                return false;
            default:
                report(new ComponentRefused { Problem = "no decision" });
                return false;
        }
    }

    public void Dispose()
    {
        kept.Reverse();
        kept.ForEach(native => native.Dispose());
        kept.Clear();
    }

    private bool Instantiate(Component component, IReadOnlyList<NativeImport> imports)
    {
        var linker = Keep(Link(imports));
        var store = Keep(LimitedStore.Create(engine, start.Limits, line => report(new GuestPrinted { Text = Printable(line) })));
        try
        {
            var instance = linker.Instantiate(store, component);
            if ((instance.GetFunction(RunExport) ?? instance.GetFunction(CommandInterface, RunExport)) is not { ParameterCount: 0 } run)
            {
                report(new ComponentRefused { Problem = $"exports neither `{RunExport}: func() -> result<string, string>` nor `{CommandInterface}`" });
                return false;
            }

            report(new ComponentStarted());
            report(Returned(run.Call()));
            return true;
        }
        catch (WasmtimeException e)
        {
            report(new GuestTrapped { Cause = CauseOf(e, store), Text = Printable(FirstLine(e.Message)) });
            return false;
        }
    }

    private ComponentLinker Link(IReadOnlyList<NativeImport> imports)
    {
        var linker = new ComponentLinker(engine.Engine);
        // All of WASI or none; the decision on the import list is what restricts it, and its network stays denied by configuration.
        if (imports.Any(import => HostInterfaces.IsWasi(import.Name))) linker.AddWasiPreview2();
        using var root = linker.Root();
        foreach (var import in imports)
        {
            if (import.Name == HostInterfaces.IdentityStore) new IdentityStore(tokens).Define(root);
            if (import.Name == HostInterfaces.MessagingConsumer) new MessagingConsumer(nats, start.Limits).Define(root, import);
        }

        return linker;
    }

    private static GuestReturned Returned(ComponentValue? value) => value is { Kind: ComponentValueKind.Result }
        ? new GuestReturned
        {
            IsOk = value.IsOk,
            Text = value.Payload is { Kind: ComponentValueKind.String } text ? Printable(text.AsString()) : "",
        }
        : new GuestReturned { IsOk = false, Text = "`run` returned no result; expected result<string, string>" };

    // Traps have no code in the component API: what our own limits say comes first, the text second.
    private static TrapCause CauseOf(WasmtimeException e, Store store) => e switch
    {
        { ExitCode: not null } => TrapCause.Exited,
        _ when store.Fuel == 0 || e.Message.Contains("all fuel consumed", StringComparison.Ordinal) => TrapCause.FuelUsedUp,
        _ when e.Message.Contains("wasm trap: interrupt", StringComparison.Ordinal) => TrapCause.DeadlinePassed,
        _ => TrapCause.Other,
    };

    // The reason stands in the last line of Wasmtime's chain ("wasm trap: …"); frames come before it.
    private static string FirstLine(string message)
    {
        var trap = message.LastIndexOf("wasm trap:", StringComparison.Ordinal);
        return trap >= 0 ? message[trap..].Split('\n')[0] : message;
    }

    private static string Printable(string text) => PrintableText.Of(text, MaxText);

    private T Keep<T>(T native)
        where T : IDisposable
    {
        kept.Add(native);
        return native;
    }
}
