using System.CommandLine;
using Identity.V1;

namespace Identity.Cli.Commands.Policy;

/// <summary><c>identity policy rollback --to REV</c>: makes the policies what they were, in one transaction.</summary>
internal static class PolicyRollback
{
    public static Command Create()
    {
        var to = new Option<ulong>("--to") { Description = "The revision to go back to (`identity policy history`)", HelpName = "REV", Required = true };
        var expected = new Option<ulong>("--expected-revision")
        {
            Description = "The newest revision you have seen: a change after it is not undone unseen",
            HelpName = "REV",
            Required = true,
        };
        var reason = new Option<string>("--reason") { Description = "Why, for the ledger", Required = true };
        var command = new Command("rollback", "Make the policies what they were at a revision; roles stay as they are") { to, expected, reason };
        command.SetAction(async (parsed, cancellation) =>
        {
            using var channel = AdminConnection.Open(parsed);
            var request = new RollbackRequest { ToRevision = parsed.GetValue(to), ExpectedRevision = parsed.GetValue(expected), Reason = parsed.GetValue(reason) };
            var answer = await new PolicyAdmin.PolicyAdminClient(channel).RollbackAsync(request, cancellationToken: cancellation);
            if (answer.Changes.Count == 0) parsed.InvocationConfiguration.Error.WriteLine($"identity: every policy is as it was at revision {request.ToRevision}; nothing was changed");
            return ApplyCommand.Print(parsed, answer.Revision, [.. ApplyCommand.Lines(answer)], answer.Notes);
        });
        return command;
    }
}
