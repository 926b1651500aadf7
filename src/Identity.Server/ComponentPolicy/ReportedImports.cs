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
        return ComponentImports.OfLines(wire.Imports, wire.Exports);
    }
}
