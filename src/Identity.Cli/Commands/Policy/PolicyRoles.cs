using System.CommandLine;
using Identity.V1;

namespace Identity.Cli.Commands.Policy;

/// <summary><c>identity policy roles</c>: who may change which policies.</summary>
internal static class PolicyRoles
{
    public static Command Create()
    {
        var command = new Command("roles", "Print the roles in force as their authors wrote them");
        command.SetAction(async (parsed, cancellation) =>
        {
            using var channel = AdminConnection.Open(parsed);
            var answer = await new PolicyAdmin.PolicyAdminClient(channel).ListRolesAsync(new(), cancellationToken: cancellation);
            return Answer.Print(parsed, answer, output => output.WriteLine(answer.Policies.Count == 0
                ? "No role is in force: only the server's own user and root change policies."
                : string.Join("\n---\n", answer.Policies.Select(role => role.Text.TrimEnd()))));
        });
        return command;
    }
}
