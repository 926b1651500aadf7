using System.CommandLine;
using System.Security.Cryptography;
using Google.Protobuf.WellKnownTypes;
using Identity.Policy;

namespace Identity.Cli.Commands;

/// <summary><c>identity component inspect FILE</c>: what a component is and asks for, without running or compiling it.</summary>
internal static class ComponentCommand
{
    public static Command Create() => new("component", "Look into component files") { Inspect() };

    private static Command Inspect()
    {
        var file = new Argument<string>("file");
        var command = new Command("inspect", "Print a component's digest and imports") { file };
        command.SetAction(parsed =>
        {
            var path = parsed.GetValue(file)!;
            if (!File.Exists(path))
                throw new UsageException($"there is no file '{path}'.");
            if (new FileInfo(path).Length > ComponentReader.MaxComponentSize)
                throw new UsageException($"{path} is larger than the {ComponentReader.MaxComponentSize} bytes a component may have.");
            var bytes = File.ReadAllBytes(path);
            if (!ComponentReader.TryRead(bytes, out var component, out var problem))
                throw new RefusedException($"{path} is not a component this system would admit: {problem}");
            var digest = $"sha256:{Convert.ToHexStringLower(SHA256.HashData(bytes))}";
            var imports = new ListValue();
            imports.Values.AddRange(component.Imports.Select(import => Value.ForString(import.Name)));
            var message = new Struct { Fields = { ["digest"] = Value.ForString(digest), ["imports"] = new Value { ListValue = imports } } };
            return Answer.Print(parsed, message, output =>
            {
                output.WriteLine($"digest   {digest}");
                output.WriteLine($"selector wasm:digest:{digest}");
                foreach (var import in component.Imports)
                    output.WriteLine($"import   {import.Name}");
            });
        });
        return command;
    }
}
