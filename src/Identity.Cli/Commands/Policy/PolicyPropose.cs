using System.CommandLine;
using Identity.V1;

namespace Identity.Cli.Commands.Policy;

/// <summary><c>identity policy propose -f FILE</c>: asks others to approve a change.</summary>
internal static class PolicyPropose
{
    public static Command Create()
    {
        var files = ManifestFiles.Option();
        files.Required = false;
        var delete = new Option<string[]>("--delete") { Description = "A policy to delete", HelpName = "NAME", DefaultValueFactory = _ => [] };
        var deleteRole = new Option<string[]>("--delete-role") { Description = "A role to delete", HelpName = "NAME", DefaultValueFactory = _ => [] };
        var reason = new Option<string>("--reason") { Description = "Why, for those who decide", Required = true };
        var soak = StageSteps.Soak("Once approved, try it on what runs as `identity policy stage` does, each step for so long");
        var through = StageSteps.Through();
        var command = new Command("propose", "Propose a change of policies for others to approve") { files, delete, deleteRole, reason, soak, through };
        command.SetAction(async (parsed, cancellation) =>
        {
            var request = new ProposeRequest
            {
                Reason = parsed.GetValue(reason),
                Stage = parsed.GetValue(soak) is { } time ? StageSteps.Read(time, parsed.GetValue(through)!) : null,
            };
            if (parsed.GetValue(files) is { Length: > 0 } paths)
            {
                var manifest = ManifestFiles.Read(paths);
                if (manifest.Entries.Length > 0) throw new UsageException("registration entries are not proposed; apply them with `identity apply`.");
                request.Documents.AddRange(ApplyCommand.PolicySources(manifest));
            }

            request.DeletePolicies.AddRange(parsed.GetValue(delete));
            request.DeleteRoles.AddRange(parsed.GetValue(deleteRole));
            using var channel = AdminConnection.Open(parsed);
            var answer = await new PolicyAdmin.PolicyAdminClient(channel).ProposeAsync(request, cancellationToken: cancellation);
            return Answer.Print(parsed, answer, output => ProposalText.Write(output, answer, whole: false));
        });
        return command;
    }
}
