using Identity.Policy;

namespace Identity.Fuzzing;

/// <summary>The bytes of a component that a stranger uploads, before anything is compiled.</summary>
internal static class ComponentTarget
{
    private static ReadOnlySpan<byte> Preamble => [0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00];

    public static bool Run(byte[] input)
    {
        var accepted = ComponentReader.TryRead(input, out var imports, out var problem);
        Invariant.Holds(accepted ? input.AsSpan().StartsWith(Preamble) : problem is { Length: > 0 and <= 4096 }, "a component begins as one; a refusal is bounded");
        // A byte more or less at the end is another component or none, never an exception.
        if (input.Length > 0) ComponentReader.TryRead(input.AsSpan(..^1), out _, out _);
        if (!accepted) return false;
        Invariant.Holds(ComponentReader.TryRead(input, out var again, out _) && again.Equals(imports), "reading twice is reading the same");
        var functions = imports!.Imports.Sum(import => import.Functions.Length) + imports.Exports.Sum(export => export.Functions.Length);
        Invariant.Holds(functions <= ComponentReader.MaxFunctions, "the functions are bounded");
        return true;
    }

    public static IEnumerable<(string, byte[])> Seeds()
    {
        yield return ("empty", Preamble.ToArray());
        // import section (10): one import, "a:b/c@1.0.0", instance of type 0; before it a type section (7) with an empty instance type.
        yield return ("import", [.. Preamble, 7, 3, 1, 0x42, 0, 10, 16, 1, 0, 11, .. "a:b/c@1.0.0"u8, 5, 0]);
        // An interface with one function, imported and exported again; a nested component that exports a bare function, instantiated.
        yield return ("functions", [.. Preamble, 7, 14, 1, 0x42, 2, 1, 0x40, 0, 1, 0, 4, 0, 1, .. "f"u8, 1, 0, 10, 10, 1, 0, 5, .. "a:b/c"u8, 5, 0, 11, 11, 1, 0, 5, .. "a:b/c"u8, 5, 0, 0]);
        yield return ("shim", [.. Preamble, 4, 19, .. Preamble, 11, 9, 1, 0, 3, .. "run"u8, 1, 0, 0, 5, 4, 1, 0, 0, 0, 11, 9, 1, 0, 3, .. "a/b"u8, 5, 0, 0]);
        yield return ("custom", [.. Preamble, 0, 5, 4, .. "name"u8]);
        yield return ("nested", [.. Preamble, 4, 8, .. Preamble]);
        yield return ("core-module", [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]);
    }
}
