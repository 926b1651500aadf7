using System.CommandLine;
using Identity.V1;

namespace Identity.Cli.Commands.Policy;

/// <summary><c>identity policy roles</c>: who may change which policies, now or at a past revision.</summary>
internal static class PolicyRoles
{
    public static Command Create()
    {
        var at = new Option<ulong>("--at") { Description = "As they were at this revision (`identity policy history`)", HelpName = "REV", DefaultValueFactory = _ => 0 };
        var command = new Command("roles", "Print the roles in force as their authors wrote them, now or at a past revision") { at };
        command.SetAction(async (parsed, cancellation) =>
        {
            using var channel = AdminConnection.Open(parsed);
            var answer = await new PolicyAdmin.PolicyAdminClient(channel).ListRolesAsync(new() { AtRevision = parsed.GetValue(at) }, cancellationToken: cancellation);
            return Answer.Print(parsed, answer, output => output.WriteLine(answer.Policies.Count == 0
                ? parsed.GetValue(at) > 0 ? $"No role was in force at revision {answer.Revision}."
                : "No role is in force: only the server's own user and root change policies."
                : string.Join("\n---\n", answer.Policies.Select(role => role.Text.TrimEnd()))));
        });
        return command;
    }
}
