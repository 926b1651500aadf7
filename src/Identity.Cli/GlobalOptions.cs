using System.CommandLine;

namespace Identity.Cli;

/// <summary>The options every command has.</summary>
internal static class GlobalOptions
{
    private const string AdminSocketName = "--admin-socket";
    private const string OutputName = "--output";

    public static IEnumerable<Option> All(CliConfiguration configuration)
    {
        yield return new Option<string>(AdminSocketName)
        {
            Description = "The server's admin socket",
            HelpName = "PATH",
            Recursive = true,
            DefaultValueFactory = _ => configuration.AdminSocket,
        };
        var output = new Option<string>(OutputName, "-o")
        {
            Description = "How to print the answer: text or json",
            Recursive = true,
            DefaultValueFactory = _ => configuration.Output,
        };
        output.AcceptOnlyFromAmong("text", "json");
        yield return output;
    }

    public static string AdminSocket(ParseResult parsed) => parsed.GetValue<string>(AdminSocketName)!;

    public static bool Json(ParseResult parsed) => parsed.GetValue<string>(OutputName) == "json";
}
