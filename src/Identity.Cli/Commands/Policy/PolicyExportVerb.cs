using System.CommandLine;
using Google.Protobuf.WellKnownTypes;
using Identity.Policy.Analysis;

namespace Identity.Cli.Commands.Policy;

/// <summary><c>identity policy export --cedar FILES</c>.</summary>
internal static class PolicyExportVerb
{
    public static Command Create()
    {
        var paths = new Argument<string[]>("path") { Description = "Files or folders of policies", Arity = ArgumentArity.OneOrMore };
        var cedar = new Option<bool>("--cedar") { Description = "In the language of Cedar", Required = true };
        var command = new Command("export", "Print policies in another language") { paths, cedar };
        command.SetAction(parsed =>
        {
            if (!parsed.GetValue(cedar)) throw new UsageException("say which language: --cedar.");
            var text = CedarExport.Write(PolicyFiles.PolicyOf(ManifestFiles.ReadToLook(parsed.GetValue(paths)!)));
            return Answer.Print(parsed, new Struct { Fields = { ["cedar"] = Value.ForString(text) } }, output => output.Write(text));
        });
        return command;
    }
}
