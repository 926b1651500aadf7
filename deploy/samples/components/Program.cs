using System.Text.RegularExpressions;
using Wasmtime;

namespace Identity.Samples;

/// <summary><c>identity-samples OUTPUT FILE.wat…</c> writes a component binary for each file; the same text gives the same bytes.</summary>
internal static partial class Program
{
    public static int Main(string[] args)
    {
        if (args is not [var output, .. var sources] || sources.Length == 0)
        {
            Console.Error.WriteLine("usage: identity-samples OUTPUT-FOLDER FILE.wat...");
            return 2;
        }

        Directory.CreateDirectory(output);
        // Every sample is tried: one run shows every mistake.
        var failed = sources.Where(source => !TryBuild(source, output)).ToList();
        return failed.Count == 0 ? 0 : 1;
    }

    private static bool TryBuild(string source, string output)
    {
        try
        {
            var target = Path.Combine(output, Path.ChangeExtension(Path.GetFileName(source), ".wasm"));
            // Written beside and moved: a reader never sees half a component.
            File.WriteAllBytes(target + ".new", Module.ConvertText(File.ReadAllText(source)));
            File.Move(target + ".new", target, overwrite: true);
            return true;
        }
        catch (WasmtimeException e)
        {
            // The form that MSBuild shows as an error with file and line.
            var position = Position().Match(e.Message);
            var at = position.Success ? $"({position.Groups[1]},{position.Groups[2]})" : "";
            Console.Error.WriteLine($"{source}{at}: error WAT0001: {e.Message.Split('\n')[0]}");
            return false;
        }
    }

    [GeneratedRegex(@"<anon>:(\d+):(\d+)")]
    private static partial Regex Position();
}
