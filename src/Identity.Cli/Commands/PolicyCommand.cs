using System.CommandLine;
using Identity.V1;

namespace Identity.Cli.Commands;

/// <summary><c>identity policy list|show|delete</c>.</summary>
internal static class PolicyCommand
{
    public static Command Create() => new("policy", "Look at and delete capability policies") { List(), Show(), Delete() };

    private static Command List()
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

    private static Command Show()
    {
        var name = new Argument<string>("name");
        var command = new Command("show", "Print one policy as its author wrote it") { name };
        command.SetAction(async (parsed, cancellation) =>
        {
            using var channel = AdminConnection.Open(parsed);
            var answer = await new PolicyAdmin.PolicyAdminClient(channel).ListPoliciesAsync(new(), cancellationToken: cancellation);
            var policy = answer.Policies.FirstOrDefault(policy => policy.Name == parsed.GetValue(name))
                ?? throw new Grpc.Core.RpcException(new(Grpc.Core.StatusCode.NotFound,
                    $"there is no policy '{parsed.GetValue(name)}'; `identity policy list` shows those in force"));
            return Answer.Print(parsed, policy, output => output.WriteLine(policy.Text.TrimEnd()));
        });
        return command;
    }

    private static Command Delete()
    {
        var names = new Argument<string[]>("name") { Arity = ArgumentArity.OneOrMore };
        var reason = new Option<string>("--reason") { Description = "Why, for the ledger", DefaultValueFactory = _ => "" };
        var command = new Command("delete", "Delete policies by name; all of them or none") { names, reason };
        command.SetAction(async (parsed, cancellation) =>
        {
            using var channel = AdminConnection.Open(parsed);
            var request = new DeletePoliciesRequest { Reason = parsed.GetValue(reason) };
            request.Names.AddRange(parsed.GetValue(names)!);
            var answer = await new PolicyAdmin.PolicyAdminClient(channel).DeletePoliciesAsync(request, cancellationToken: cancellation);
            return ApplyCommand.Print(parsed, answer.Revision, [.. answer.Changes.Select(change => ("CapabilityPolicy", change.Name, ApplyCommand.Outcome(change.Kind)))]);
        });
        return command;
    }
}
