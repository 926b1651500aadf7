using System.CommandLine;
using System.CommandLine.Parsing;

namespace Identity.Cli.Commands;

/// <summary><c>--reason</c>: why policy is changed, for the ledger. Of who gives none it keeps what was typed: where a change came from, nothing made up.</summary>
internal static class ReasonOption
{
    private const int MaxTyped = 200;

    /// <param name="keeper">What keeps it.</param>
    public static Option<string> Create(string keeper = "ledger") =>
        new("--reason") { Description = $"Why, for the {keeper} (without one it keeps what was typed)", HelpName = "TEXT", DefaultValueFactory = _ => "" };

    public static string Read(ParseResult parsed, Option<string> reason) => parsed.GetValue(reason) is { Length: > 0 } told ? told : Typed(parsed);

    // Names of files without the folders they lie in, which are nobody else's business.
    private static string Typed(ParseResult parsed)
    {
        var from = parsed.Tokens.SkipWhile(token => token.Type != TokenType.Command);
        var typed = string.Join(' ', from.Select(token => token.Type == TokenType.Argument ? Path.GetFileName(token.Value) : token.Value).Prepend("identity"));
        if (Identity.Policy.PlainText.HasUnseen(typed)) return $"identity {parsed.CommandResult.Command.Name}";
        return typed.Length <= MaxTyped ? typed : typed[..MaxTyped] + "…";
    }
}
