using System.CommandLine;
using Identity.V1;

namespace Identity.Cli.Commands.Policy;

/// <summary><c>identity policy list</c>: the policies in force.</summary>
internal static class PolicyList
{
    public static Command Create()
    {
        var command = new Command("list", "List the policies in force");
        command.SetAction(async (parsed, cancellation) =>
        {
            using var channel = AdminConnection.Open(parsed);
            var answer = await new PolicyAdmin.PolicyAdminClient(channel).ListPoliciesAsync(new(), cancellationToken: cancellation);
            return Answer.Print(parsed, answer, output => Answer.Table(output, "No policy is in force: nothing may start.",
                ["NAME", "REVISION", "APPLIED", "BY"],
                [.. answer.Policies.Select(policy => new[] { policy.Name, $"{policy.Revision}", Answer.Time(policy.AppliedAt), policy.Author })]));
        });
        return command;
    }
}
