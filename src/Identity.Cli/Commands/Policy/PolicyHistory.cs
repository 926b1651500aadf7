using System.CommandLine;
using Identity.V1;

namespace Identity.Cli.Commands.Policy;

/// <summary><c>identity policy history</c>: who changed which policy or role when and why, the newest first.</summary>
internal static class PolicyHistory
{
    public static Command Create()
    {
        var name = new Argument<string>("name") { Description = "Only changes of the policy or role of this name", Arity = ArgumentArity.ZeroOrOne, DefaultValueFactory = _ => "" };
        var limit = new Option<int>("--limit") { Description = "At most this many", DefaultValueFactory = _ => 50 };
        var before = new Option<ulong>("--before") { Description = "Only revisions before this one", HelpName = "REV", DefaultValueFactory = _ => 0 };
        var command = new Command("history", "List the revisions that changed a policy, or a role that says who may") { name, limit, before };
        command.SetAction(async (parsed, cancellation) =>
        {
            using var channel = AdminConnection.Open(parsed);
            var request = new ListRevisionsRequest { Name = parsed.GetValue(name) ?? "", Limit = parsed.GetValue(limit), Before = parsed.GetValue(before) };
            var answer = await new PolicyAdmin.PolicyAdminClient(channel).ListRevisionsAsync(request, cancellationToken: cancellation);
            return Answer.Print(parsed, answer, output => Answer.Table(output, request.Name.Length > 0 ? $"No policy and no role of the name '{request.Name}' has changed." : "No policy and no role has changed.",
                ["REVISION", "AT", "BY", "CHANGES", "REASON"],
                [.. answer.Revisions.Select(revision => new[] { $"{revision.Revision}", Answer.Time(revision.At), revision.Author, Changes(revision), revision.Reason })]));
        });
        return command;
    }

    private static string Changes(PolicyRevision revision)
    {
        const int Shown = 4;
        var first = string.Join(", ", revision.Changes.Take(Shown).Select(change => $"{(change.Role ? "role " : "")}{change.Name} {ApplyCommand.Outcome(change.Kind)}"));
        return revision.Changed > Shown ? $"{first} and {revision.Changed - Shown} more" : first;
    }
}
