using System.CommandLine;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;
using System.Globalization;

namespace Identity.Cli;

/// <summary>What is wrong with a command line, in the words of who wrote it: the value, what was expected, and how to see the whole.</summary>
internal static class CommandLineErrors
{
    // As the answers print times, and as documents write them (RFC 3339); a day begins at midnight.
    private static readonly string[] Times = ["yyyy-MM-dd'T'HH:mm:ss.FFFFFFFK", "yyyy-MM-dd HH:mm:ss'Z'", "yyyy-MM-dd'T'HH:mmK", "yyyy-MM-dd HH:mm", "yyyy-MM-dd"];

    /// <summary>Numbers and times are read in one way everywhere.</summary>
    public static void ReadValues(Command command)
    {
        foreach (var option in command.Options)
        {
            if (option is Option<ulong> large) large.CustomParser ??= Number<ulong>;
            else if (option is Option<int> small) small.CustomParser ??= Number<int>;
            else if (option is Option<DateTimeOffset?> time) time.CustomParser ??= Time;
        }

        foreach (var sub in command.Subcommands) ReadValues(sub);
    }

    public static int Write(ParseResult parsed, TextWriter error, InvocationConfiguration configuration)
    {
        // Who mistyped a word is told which was meant, and who asked for no command which there are.
        var isTypo = parsed.UnmatchedTokens.Count > 0;
        if (parsed.Action is ParseErrorAction action && (isTypo || parsed.CommandResult.Command.Subcommands.Count > 0))
        {
            action.ShowHelp = !isTypo;
            parsed.Invoke(configuration);
            return ExitCode.Usage;
        }

        foreach (var fault in parsed.Errors.Select(Say).Distinct()) error.WriteLine($"identity: {fault}");
        error.WriteLine($"Usage: {Usage(parsed.CommandResult)} --help");
        return ExitCode.Usage;
    }

    private static string Say(ParseError fault) => fault.SymbolResult switch
    {
        ArgumentResult { Tokens.Count: 0, Parent: CommandResult } argument => $"<{argument.Argument.Name}> is missing",
        OptionResult { Tokens.Count: 0, Implicit: false } option => $"{option.Option.Name} needs a value",
        _ => fault.Message.TrimEnd('.'),
    };

    private static string Usage(CommandResult command) => command.Parent is CommandResult parent ? $"{Usage(parent)} {command.Command.Name}" : "identity";

    private static T Number<T>(ArgumentResult result)
        where T : struct, IParsable<T>
    {
        var text = result.Tokens[^1].Value;
        if (text.All(char.IsAsciiDigit) && T.TryParse(text, CultureInfo.InvariantCulture, out var number)) return number;
        result.AddError($"{NameOf(result)} is '{text}'; expected a whole number, 0 or more");
        return default;
    }

    private static DateTimeOffset? Time(ArgumentResult result)
    {
        var text = result.Tokens[^1].Value;
        if (DateTimeOffset.TryParseExact(text, Times, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var time)) return time;
        result.AddError($"{NameOf(result)} is '{text}'; expected a time such as 2026-01-31T12:00:00Z, or a day such as 2026-01-31, both in UTC");
        return null;
    }

    private static string NameOf(ArgumentResult result) => (result.Parent as OptionResult)?.Option.Name ?? $"<{result.Argument.Name}>";
}
