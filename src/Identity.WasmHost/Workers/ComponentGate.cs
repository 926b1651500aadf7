using Identity.WasmHost.WorkerProtocol;
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

    public static Answer Compile(Engine engine, ReadOnlySpan<byte> bytes, IReadOnlyCollection<GrantedInterface> imports, IReadOnlyCollection<GrantedInterface> exports)
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

        var answer = Inspect(engine, component, imports, exports);
        if (answer is Answer.Refused) component.Dispose();
        return answer;
    }

    private static Answer Inspect(
        Engine engine, Component component, IReadOnlyCollection<GrantedInterface> decided, IReadOnlyCollection<GrantedInterface> callable)
    {
        var imports = NativeImports.Read(engine, component);
        var wanted = imports.SelectMany(import => import.Functions.Select(function => $"{import.Name}#{function}").Append(import.Name)).ToHashSet(StringComparer.Ordinal);
        var granted = decided.SelectMany(import => import.Functions.Select(function => $"{import.Name}#{function}").Append(import.Name)).ToHashSet(StringComparer.Ordinal);
        if (!wanted.SetEquals(granted))
        {
            return new Answer.Refused(
                $"the compiled component's imports differ from those decided on: undecided [{Some(NotIn(wanted, granted))}], missing [{Some(NotIn(granted, wanted))}]",
                IsAlarm: true);
        }

        // It may export more: that was not granted, and nobody calls it.
        var exports = NativeImports.ReadExports(engine, component);
        var absent = callable.SelectMany(export => export.Functions.Where(function => !exports.Any(one => one.Has(export.Name, function))).Select(function => $"{export.Name}#{function}")).ToList();
        if (absent.Count > 0) return new Answer.Refused($"the compiled component does not export what was decided on: [{Some(absent)}]", IsAlarm: true);

        if (imports.FirstOrDefault(import => import.IsAnnotated) is { } annotated)
            return new Answer.Refused($"import `{annotated.Name}` carries an annotation, which this host does not accept");
        var problem = imports.Select(HostInterfaces.FindProblem).FirstOrDefault(problem => problem is not null);
        return problem is null ? new Answer.Passed(component, imports) : new Answer.Refused(problem);
    }

    // Of an interface that is missing altogether its name says enough.
    private static IEnumerable<string> NotIn(HashSet<string> these, HashSet<string> those) => these.Where(name =>
        !those.Contains(name) && (name.IndexOf('#', StringComparison.Ordinal) is var hash && (hash < 0 || those.Contains(name[..hash]))));

    private static string Some(IEnumerable<string> names) => string.Join(", ", names.Order(StringComparer.Ordinal).Take(16));
}
