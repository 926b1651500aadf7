using System.Collections.Immutable;

namespace Identity.Policy;

/// <summary>What identity-host calls on a component; components carry other exports that are not meant for it.</summary>
public static class HostCalls
{
    /// <summary>Best first: <c>run</c> by itself, and that of a command, of any version of its track.</summary>
    public static ImmutableArray<CapabilityRequest.Export> All { get; } =
        [new CapabilityRequest.Export(null, "run"), new CapabilityRequest.Export(InterfaceName.Parse("wasi:cli/run@0.2.0"), "run")];

    /// <summary>The first of the calls that the component exports; null when it exports none.</summary>
    public static CapabilityRequest.Export? FirstOf(IEnumerable<CapabilityRequest.Export> calls, ComponentImports component) =>
        calls.FirstOrDefault(call => component.Exports.Any(export => Is(call, export)));

    private static bool Is(CapabilityRequest.Export call, ComponentExport export) => call.Interface is null
        ? export.Kind == ImportKind.Function && export.Name == call.Function
        : export.Kind == ImportKind.Instance && InterfaceName.TryParse(export.Name, out var name, out _)
            && name.TrackedName == call.Interface.TrackedName && export.Functions.Contains(call.Function!);
}
