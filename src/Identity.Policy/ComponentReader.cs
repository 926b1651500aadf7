using System.Diagnostics.CodeAnalysis;

namespace Identity.Policy;

/// <summary>Lists what a component imports from its bytes alone, before anything is compiled. Whatever it does not know refuses the component.</summary>
public static class ComponentReader
{
    /// <summary>Bytes. Compiling more than this takes tens of seconds, so larger components are refused unread.</summary>
    public const int MaxComponentSize = 32 << 20;

    public static bool TryRead(
        ReadOnlySpan<byte> component, [NotNullWhen(true)] out ComponentImports? imports, [NotNullWhen(false)] out string? problem)
    {
        imports = null;
        problem = "not yet";
        return false;
    }
}
