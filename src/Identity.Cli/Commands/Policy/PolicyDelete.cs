using System.CommandLine;
using Identity.V1;

namespace Identity.Cli.Commands.Policy;

/// <summary><c>identity policy delete NAME…</c>: all of them or none.</summary>
internal static class PolicyDelete
{
    public static Command Create()
    {
        var names = new Argument<string[]>("name") { Arity = ArgumentArity.OneOrMore };
        var reason = ReasonOption.Create();
        var command = new Command("delete", "Delete policies by name; all of them or none") { names, reason };
        command.SetAction(async (parsed, cancellation) =>
        {
            using var channel = AdminConnection.Open(parsed);
            var request = new DeletePoliciesRequest { Reason = ReasonOption.Read(parsed, reason) };
            request.Names.AddRange(parsed.GetValue(names)!);
            var answer = await new PolicyAdmin.PolicyAdminClient(channel).DeletePoliciesAsync(request, cancellationToken: cancellation);
            return ApplyCommand.Print(parsed, answer.Revision, [.. ApplyCommand.Lines(answer)], answer.Notes);
        });
        return command;
    }
}
