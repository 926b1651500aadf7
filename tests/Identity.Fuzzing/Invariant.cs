using System.Diagnostics.CodeAnalysis;

namespace Identity.Fuzzing;

/// <summary>What must hold for every input. A broken one is a finding, as is any exception a target lets out.</summary>
internal static class Invariant
{
    public static void Holds([DoesNotReturnIf(false)] bool condition, string what)
    {
        if (!condition) throw new BrokenInvariantException(what);
    }
}

internal sealed class BrokenInvariantException(string what) : Exception(what);
