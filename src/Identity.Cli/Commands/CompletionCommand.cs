using System.CommandLine;

namespace Identity.Cli.Commands;

/// <summary><c>identity completion bash|zsh|fish</c>: a script that asks this program for the words that may follow.</summary>
internal static class CompletionCommand
{
    public static Command Create()
    {
        var shell = new Argument<string>("shell");
        shell.AcceptOnlyFromAmong("bash", "zsh", "fish");
        var command = new Command("completion", "Print a completion script: source <(identity completion bash)") { shell };
        command.SetAction(parsed =>
        {
            parsed.InvocationConfiguration.Output.WriteLine(parsed.GetValue(shell) switch
            {
                "bash" => Bash,
                "zsh" => Zsh,
                _ => Fish,
            });
            return ExitCode.Ok;
        });
        return command;
    }

    private const string Bash = """
        _identity() {
          local IFS=$'\n'
          COMPREPLY=($(compgen -W "$(identity "[suggest:${COMP_POINT}]" "${COMP_LINE}" 2>/dev/null)" -- "${COMP_WORDS[COMP_CWORD]}"))
        }
        complete -o default -F _identity identity
        """;

    private const string Zsh = """
        #compdef identity
        _identity() {
          local -a words_found
          words_found=("${(@f)$(identity "[suggest:${CURSOR}]" "${BUFFER}" 2>/dev/null)}")
          compadd -a words_found
        }
        compdef _identity identity
        """;

    private const string Fish = """
        complete -c identity -f -a '(identity "[suggest:"(commandline -C)"]" (commandline -cp) 2>/dev/null)'
        """;
}
