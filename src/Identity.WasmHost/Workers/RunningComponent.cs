using Identity.Policy;
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
    private const int MaxText = 4096;

    private readonly List<IDisposable> kept = [];

    /// <summary>True when the instance lives on; false when it was refused or has trapped, and this worker has nothing left to do.</summary>
    public bool Run()
    {
        switch (ComponentGate.Compile(engine.Engine, start.Component, start.Imports, start.Exports))
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
            if (FindEntryPoint(instance, out var problem) is not { } run)
            {
                report(new ComponentRefused { Problem = problem });
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

    // Only what is granted is looked up: what a component exports besides is not there for this host.
    private ComponentFunction? FindEntryPoint(ComponentInstance instance, out string problem)
    {
        var own = start.Exports.Any(export => export.Name.Length == 0 && export.Functions.Contains(EntryPoint.Function));
        var command = start.Exports.FirstOrDefault(export => IsCommand(export.Name) && export.Functions.Contains(EntryPoint.Function));
        var run = own ? instance.GetFunction(EntryPoint.Function) : command is null ? null : instance.GetFunction(command.Name, EntryPoint.Function);
        var has = instance.GetFunction(EntryPoint.Function) is not null ? EntryPoint.All[0]
            : instance.GetFunction(EntryPoint.Command, EntryPoint.Function) is not null ? EntryPoint.All[1] : null;
        problem = run is not null ? $"`{EntryPoint.Function}` takes parameters; expected func() -> result<string, string>"
            : has is not null ? $"nothing grants a call of its export; policy would say `export: \"{has}\"`"
            : $"exports neither `{EntryPoint.Function}: func() -> result<string, string>` nor `{EntryPoint.Command}`";
        return run is { ParameterCount: 0 } ? run : null;
    }

    private static bool IsCommand(string export) =>
        InterfaceName.TryParse(export, out var name, out _) && name.TrackedName == InterfaceName.Parse(EntryPoint.Command).TrackedName;

    private ComponentLinker Link(IReadOnlyList<NativeImport> imports)
    {
        var linker = new ComponentLinker(engine.Engine);
        // All of WASI or none; the decision on the import list is what restricts it, and its network stays denied by configuration.
        if (imports.Any(import => HostInterfaces.IsWasi(import.Name))) linker.AddWasiPreview2();
        using var root = linker.Root();
        foreach (var import in imports)
        {
            if (import.Name == HostInterfaces.IdentityStore) new IdentityStore(tokens, start.Nats?.Audience).Define(root, import);
            if (import.Name == HostInterfaces.MessagingConsumer) new MessagingConsumer(nats, start.Limits, start.HostHasNats).Define(root, import);
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
