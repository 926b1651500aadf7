using System.CommandLine;
using Identity.V1;

namespace Identity.Cli.Commands.Policy;

/// <summary><c>identity policy show NAME</c>: one policy as its author wrote it.</summary>
internal static class PolicyShow
{
    public static Command Create()
    {
        var name = new Argument<string>("name");
        var at = new Option<ulong>("--at") { Description = "As it was at this revision (`identity policy history`)", HelpName = "REV", DefaultValueFactory = _ => 0 };
        var command = new Command("show", "Print one policy as its author wrote it, now or at a past revision") { name, at };
        command.SetAction(async (parsed, cancellation) =>
        {
            using var channel = AdminConnection.Open(parsed);
            var answer = await new PolicyAdmin.PolicyAdminClient(channel).GetPoliciesAsync(
                new() { AtRevision = parsed.GetValue(at) }, cancellationToken: cancellation);
            var policy = answer.Policies.FirstOrDefault(policy => policy.Name == parsed.GetValue(name))
                ?? throw new Grpc.Core.RpcException(new(Grpc.Core.StatusCode.NotFound,
                    $"at revision {answer.Revision} there is no policy '{parsed.GetValue(name)}'; `identity policy list` shows those in force now"));
            return Answer.Print(parsed, policy, output => output.WriteLine(policy.Text.TrimEnd()));
        });
        return command;
    }
}
