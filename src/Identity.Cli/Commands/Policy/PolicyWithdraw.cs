using System.CommandLine;
using Identity.V1;

namespace Identity.Cli.Commands.Policy;

/// <summary><c>identity policy withdraw ID</c>: takes a proposal back.</summary>
internal static class PolicyWithdraw
{
    public static Command Create()
    {
        var id = new Argument<string>("id");
        var command = new Command("withdraw", "Withdraw a proposed change") { id };
        command.SetAction(async (parsed, cancellation) =>
        {
            using var channel = AdminConnection.Open(parsed);
            var answer = await new PolicyAdmin.PolicyAdminClient(channel).WithdrawAsync(new() { Id = parsed.GetValue(id) }, cancellationToken: cancellation);
            return Answer.Print(parsed, answer, output => output.WriteLine($"{answer.Id} is withdrawn"));
        });
        return command;
    }
}
