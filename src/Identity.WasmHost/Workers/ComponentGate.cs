using Wasmtime;
using Wasmtime.Components;

namespace Identity.WasmHost.Workers;

/// <summary>
/// The last check before a component is linked. Admission was decided on the imports that the managed reader found in the bytes; here the
/// compiled component must show the same ones. A difference means that one of two readers was deceived: refuse and raise an alarm.
/// </summary>
internal static class ComponentGate
{
    // Component binary format, preamble: magic, version 0x0d, layer 1. Wasmtime would also accept the text format.
    private static ReadOnlySpan<byte> Preamble => [0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00];

    internal abstract record Answer
    {
        private Answer()
        {
        }

        public sealed record Passed(Component Component, IReadOnlyList<NativeImport> Imports) : Answer;

        public sealed record Refused(string Problem, bool IsAlarm = false) : Answer;
    }

    public static Answer Compile(Engine engine, ReadOnlySpan<byte> bytes, IReadOnlyCollection<string> decided)
    {
        if (!bytes.StartsWith(Preamble))
            return new Answer.Refused("not a component: the first eight bytes are not those of a component binary");
        Component component;
        try
        {
            component = Component.FromBytes(engine, bytes);
        }
        catch (WasmtimeException e)
        {
            return new Answer.Refused($"does not compile: {e.Message}");
        }

        var answer = Inspect(engine, component, decided);
        if (answer is Answer.Refused) component.Dispose();
        return answer;
    }

    private static Answer Inspect(Engine engine, Component component, IReadOnlyCollection<string> decided)
    {
        var imports = NativeImports.Read(engine, component);
        var undecided = imports.Where(import => !decided.Contains(import.Name, StringComparer.Ordinal)).Select(import => import.Name).ToList();
        var missing = decided.Where(name => imports.All(import => import.Name != name)).ToList();
        if (undecided.Count > 0 || missing.Count > 0)
        {
            return new Answer.Refused(
                $"the compiled component's imports differ from those decided on: undecided [{string.Join(", ", undecided)}], missing [{string.Join(", ", missing)}]",
                IsAlarm: true);
        }

        if (imports.FirstOrDefault(import => import.IsAnnotated) is { } annotated)
            return new Answer.Refused($"import `{annotated.Name}` carries an annotation, which this host does not accept");
        var problem = imports.Select(HostInterfaces.FindProblem).FirstOrDefault(problem => problem is not null);
        return problem is null ? new Answer.Passed(component, imports) : new Answer.Refused(problem);
    }
}
