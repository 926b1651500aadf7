using System.Collections.Immutable;
using Google.Protobuf.Collections;
using Identity.Policy;
using Identity.V1;

namespace Identity.Server.ComponentPolicy;

/// <summary>What an agent says a running component imports and exports, as the start was decided with.</summary>
internal static class ReportedImports
{
    /// <summary>Characters of one admission's lists together; what is longer is taken as not told.</summary>
    public const int MaxCharacters = 32 << 10;

    /// <returns>Null when the agent does not tell, or tells more than is kept.</returns>
    public static ComponentImports? Read(LiveAdmission wire)
    {
        if (!wire.ImportsTold || wire.Imports.Concat(wire.Exports).Sum(line => (long)line.Length + 16) > MaxCharacters) return null;
        return new ComponentImports([.. Group(wire.Imports).Select(pair => new ComponentImport(pair.Name, ImportKind.Instance, pair.Functions))])
        {
            Exports = [.. Group(wire.Exports).Select(pair => pair.Name.Length == 0
                ? new ComponentExport(pair.Functions[0], ImportKind.Function, [])
                : new ComponentExport(pair.Name, ImportKind.Instance, pair.Functions))],
        };
    }

    // `wasi:io/poll@0.2.0` and `wasi:io/poll@0.2.0#poll` are one interface; `#run` and `#stop` are two functions.
    private static IEnumerable<(string Name, ImmutableArray<string> Functions)> Group(RepeatedField<string> lines)
    {
        var functions = new Dictionary<string, List<string>>(StringComparer.Ordinal);
        var order = new List<string>();
        foreach (var line in lines)
        {
            var hash = line.IndexOf('#', StringComparison.Ordinal);
            var name = hash < 0 ? line : hash == 0 ? line : line[..hash];
            if (!functions.TryGetValue(name, out var known))
            {
                functions[name] = known = [];
                order.Add(name);
            }

            if (hash > 0) known.Add(line[(hash + 1)..]);
        }

        return order.Select(name => name.StartsWith('#') ? ("", [name[1..]]) : (name, functions[name].ToImmutableArray()));
    }
}
