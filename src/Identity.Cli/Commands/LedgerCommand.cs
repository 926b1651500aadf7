using System.CommandLine;
using Identity.V1;

namespace Identity.Cli.Commands;

/// <summary><c>identity ledger log|verify</c>.</summary>
internal static class LedgerCommand
{
    public static Command Create() => new("ledger", "Read and check the ledger") { Log(), Verify() };

    private static Command Log()
    {
        var limit = new Option<int>("--limit") { Description = "At most this many, up to 1000", DefaultValueFactory = _ => 50 };
        var command = new Command("log", "List the newest transactions") { limit };
        command.SetAction(async (parsed, cancellation) =>
        {
            using var channel = AdminConnection.Open(parsed);
            var request = new ListTransactionsRequest { Limit = parsed.GetValue(limit) };
            var answer = await new Control.ControlClient(channel).ListTransactionsAsync(request, cancellationToken: cancellation);
            return Answer.Print(parsed, answer, output => Answer.Table(output, "The ledger is empty.",
                ["REVISION", "WHEN", "BY", "REASON", "CHANGES"],
                [.. answer.Transactions.Select(transaction => new[]
                {
                    $"{transaction.Revision}", Answer.Time(transaction.At), transaction.Author, transaction.Reason, Changes(transaction),
                })]));
        });
        return command;
    }

    /// <summary>The first change, and how many more; all of them are in the JSON.</summary>
    private static string Changes(TransactionSummary transaction) => transaction.Changes.Count switch
    {
        0 => "-",
        1 => transaction.Changes[0],
        var count => $"{transaction.Changes[0]} (and {count - 1} more)",
    };

    private static Command Verify()
    {
        var command = new Command("verify", "Recompute both hash chains from the first record; exit code 3 when one is broken");
        command.SetAction(async (parsed, cancellation) =>
        {
            using var channel = AdminConnection.Open(parsed);
            var answer = await new Control.ControlClient(channel).VerifyLedgerAsync(new(), cancellationToken: cancellation);
            Answer.Print(parsed, answer, output => output.WriteLine(answer.Intact
                ? $"intact: {answer.Revision} transactions, {answer.Issuances} issued credentials"
                : $"BROKEN: {answer.Problem}"));
            return answer.Intact ? ExitCode.Ok : ExitCode.Refused;
        });
        return command;
    }
}
