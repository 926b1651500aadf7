using System.CommandLine;
using Google.Protobuf.WellKnownTypes;
using Identity.Policy;

namespace Identity.Cli.Commands;

/// <summary><c>identity component inspect FILE</c>: what a component is and asks for, without running or compiling it.</summary>
internal static class ComponentCommand
{
    public static Command Create() => new("component", "Look into component files, and sign them") { Inspect(), ComponentSigning.Sign(), ComponentSigning.Signers() };

    private static Command Inspect()
    {
        var file = new Argument<string>("file");
        var command = new Command("inspect", "Print a component's digest, what it imports and what may be called on it") { file };
        command.SetAction(parsed =>
        {
            var path = parsed.GetValue(file)!;
            var (bytes, component) = ComponentFile.Read(path);
            var digest = ComponentDigest.Of(bytes).Text;
            var signatures = ComponentSignatures.Read(bytes);
            var message = new Struct
            {
                Fields =
                {
                    ["digest"] = Value.ForString(digest),
                    ["signatures"] = Value.ForNumber(signatures.Signatures.Count),
                    ["imports"] = Value.ForList([.. component.Imports.Select(import => Value.ForString(import.Name))]),
                    ["importedFunctions"] = Names(component.Imports.SelectMany(Functions)),
                    ["exports"] = Names(component.Exports.Select(Name)),
                    ["exportedFunctions"] = Names(component.Exports.SelectMany(Functions)),
                },
            };
            return Answer.Print(parsed, message, output =>
            {
                output.WriteLine($"digest   {digest}");
                output.WriteLine($"selector wasm:digest:{digest}");
                if (signatures.Problem is { } problem) output.WriteLine($"signers  nobody can tell: {problem}");
                else if (!signatures.IsEmpty) output.WriteLine($"signers  {signatures.Signatures.Count} (identity component signers)");
                foreach (var import in component.Imports) Write(output, "import", import.Name, import.Functions);
                foreach (var export in component.Exports) Write(output, "export", Name(export), export.Functions);
            });
        });
        return command;
    }

    // The words are those of a policy: what stands here can be copied there.
    private static void Write(TextWriter output, string what, string name, IEnumerable<string> functions)
    {
        output.WriteLine($"{what}   {name}");
        foreach (var function in functions) output.WriteLine($"           #{function}");
    }

    private static string Name(ComponentExport export) => export.Kind == ImportKind.Function ? $"#{export.Name}" : export.Name;

    private static IEnumerable<string> Functions(ComponentImport import) => import.Functions.Select(function => $"{import.Name}#{function}");

    private static IEnumerable<string> Functions(ComponentExport export) => export.Functions.Select(function => $"{export.Name}#{function}");

    private static Value Names(IEnumerable<string> names) => Value.ForList([.. names.Select(Value.ForString)]);
}
