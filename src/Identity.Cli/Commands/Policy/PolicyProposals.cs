using System.CommandLine;
using Grpc.Core;
using Identity.V1;

namespace Identity.Cli.Commands.Policy;

/// <summary><c>identity policy proposals [ID]</c>: what waits for approval; one of them whole.</summary>
internal static class PolicyProposals
{
    public static Command Create()
    {
        var id = new Argument<string>("id") { Description = "Show this one, with its documents", Arity = ArgumentArity.ZeroOrOne, DefaultValueFactory = _ => "" };
        var command = new Command("proposals", "List the changes that wait for approval; with an id show that one") { id };
        command.SetAction(async (parsed, cancellation) =>
        {
            using var channel = AdminConnection.Open(parsed);
            var wanted = parsed.GetValue(id) ?? "";
            var answer = await new PolicyAdmin.PolicyAdminClient(channel).ListProposalsAsync(new() { Id = wanted }, cancellationToken: cancellation);
            if (wanted.Length > 0)
            {
                var one = answer.Proposals.FirstOrDefault()
                    ?? throw new RpcException(new(StatusCode.NotFound, $"there is no open proposal '{wanted}'"));
                return Answer.Print(parsed, one, output => ProposalText.Write(output, one, whole: true));
            }

            return Answer.Print(parsed, answer, output => Answer.Table(output, "Nothing waits for approval.",
                ["ID", "BY", "APPROVALS", "EXPIRES", "REASON"],
                [.. answer.Proposals.Select(proposal => new[]
                {
                    proposal.Id, proposal.Person, proposal.Stale.Length > 0 ? "stale" : $"{proposal.Approvals.Count(given => given.Void.Length == 0)} of {proposal.ApprovalsRequired}",
                    Answer.Time(proposal.ExpiresAt), proposal.Reason,
                })]));
        });
        return command;
    }
}

/// <summary>A proposal for a person.</summary>
internal static class ProposalText
{
    public static void Write(TextWriter output, Proposal proposal, bool whole)
    {
        output.WriteLine($"{proposal.Id} by {proposal.Person}: {proposal.Reason}");
        foreach (var change in proposal.Changes) output.WriteLine($"  {(change.Role ? "PolicyRole" : "CapabilityPolicy")} {change.Name} {ApplyCommand.Intent(change.Kind)}");
        foreach (var line in proposal.Gained) output.WriteLine($"  + {line}");
        foreach (var line in proposal.Lost) output.WriteLine($"  - {line}");
        WriteApprovals(output, proposal.Approvals);
        if (proposal.Stage is { } plan) output.WriteLine($"  once approved it is tried on what runs, {StageSteps.Text(plan)}");
        if (proposal.Stale.Length > 0) output.WriteLine($"  stale: {proposal.Stale}");
        else
        {
            output.WriteLine($"  {(proposal.ApprovalsRequired == 1 ? "1 approval is" : $"{proposal.ApprovalsRequired} approvals are")} needed until {Answer.Time(proposal.ExpiresAt)}:");
            output.WriteLine($"  identity policy approve {proposal.Id} --hash {proposal.Hash}");
        }

        if (!whole) return;
        foreach (var document in proposal.Documents)
        {
            output.WriteLine("---");
            output.WriteLine(document.Text.TrimEnd());
        }
    }

    public static void WriteApprovals(TextWriter output, IEnumerable<Approval> approvals)
    {
        foreach (var given in approvals)
            output.WriteLine($"  approved by {given.Person} at {Answer.Time(given.At)}{(given.Void.Length > 0 ? $", which does not count: {given.Void}" : "")}");
    }
}
