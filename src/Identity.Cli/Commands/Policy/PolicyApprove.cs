using System.CommandLine;
using Identity.V1;

namespace Identity.Cli.Commands.Policy;

/// <summary><c>identity policy approve ID --hash HASH</c>: says yes to exactly what was shown.</summary>
internal static class PolicyApprove
{
    public static Command Create()
    {
        var id = new Argument<string>("id");
        var hash = new Option<string>("--hash") { Description = "The proposal's hash, as `identity policy proposals ID` showed it", Required = true };
        var command = new Command("approve", "Approve a proposed change; the last approval needed puts it into force") { id, hash };
        command.SetAction(async (parsed, cancellation) =>
        {
            using var channel = AdminConnection.Open(parsed);
            var request = new ApproveRequest { Id = parsed.GetValue(id), Hash = parsed.GetValue(hash) };
            var answer = await new PolicyAdmin.PolicyAdminClient(channel).ApproveAsync(request, cancellationToken: cancellation);
            return Answer.Print(parsed, answer, output =>
            {
                output.WriteLine(
                    answer.Staged is { } staged ? $"{request.Id} is approved, and is tried as {staged.Id}: identity policy stage status {staged.Id}"
                    : answer.AppliedRevision > 0 ? $"{request.Id} is in force since revision {answer.AppliedRevision}"
                    : $"{request.Id} waits for more approvals: {answer.Proposal.Approvals.Count(given => given.Void.Length == 0)} of {answer.Proposal.ApprovalsRequired}");
                foreach (var note in answer.Notes) output.WriteLine($"note: {note}");
            });
        });
        return command;
    }
}
