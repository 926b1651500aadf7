using System.CommandLine;
using System.Globalization;
using Identity.V1;

namespace Identity.Cli.Commands.Policy;

/// <summary><c>identity policy stage -f FILE --soak 10m</c>, <c>stage status</c>, <c>stage abort ID</c>.</summary>
internal static class PolicyStage
{
    public static Command Create()
    {
        var files = ManifestFiles.Option();
        files.Required = false;
        var delete = new Option<string[]>("--delete") { Description = "A policy to delete", HelpName = "NAME", DefaultValueFactory = _ => [] };
        var soak = new Option<string>("--soak") { Description = "How long each step lasts: 30s, 10m, 2h, 1d", HelpName = "TIME", DefaultValueFactory = _ => "10m" };
        var through = new Option<string>("--through") { Description = "The steps, in order", HelpName = "STEPS", DefaultValueFactory = _ => "shadow,warn,enforce" };
        var reason = new Option<string>("--reason") { Description = "Why, for the ledger", DefaultValueFactory = _ => "" };
        var command = new Command("stage", "Try a change on everything that runs; it goes into force by itself, or stops by itself when it would deny something")
        {
            files, delete, soak, through, reason, Status(), Abort(),
        };
        command.SetAction(async (parsed, cancellation) =>
        {
            var request = new StageRequest { Reason = parsed.GetValue(reason), SoakSeconds = Seconds(parsed.GetValue(soak)!) };
            if (parsed.GetValue(files) is { Length: > 0 } paths)
            {
                var manifest = ManifestFiles.Read(paths);
                if (manifest.Entries.Length + manifest.Roles.Length > 0) throw new UsageException("only policies are staged; apply roles and registration entries with `identity apply`.");
                request.Documents.AddRange(ApplyCommand.PolicySources(manifest));
            }

            request.DeletePolicies.AddRange(parsed.GetValue(delete));
            if (request.Documents.Count + request.DeletePolicies.Count == 0) throw new UsageException("name a file with -f, or a policy with --delete.");
            request.Through.AddRange(parsed.GetValue(through)!.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));
            using var channel = AdminConnection.Open(parsed);
            var answer = await new PolicyAdmin.PolicyAdminClient(channel).StageAsync(request, cancellationToken: cancellation);
            return Answer.Print(parsed, answer, output => output.WriteLine(Line(answer)));
        });
        return command;
    }

    private static Command Status()
    {
        var id = new Argument<string>("id") { Description = "Only this one", Arity = ArgumentArity.ZeroOrOne, DefaultValueFactory = _ => "" };
        var command = new Command("status", "Show the staged changes, the newest first") { id };
        command.SetAction(async (parsed, cancellation) =>
        {
            using var channel = AdminConnection.Open(parsed);
            var answer = await new PolicyAdmin.PolicyAdminClient(channel).ListStagesAsync(new(), cancellationToken: cancellation);
            if (parsed.GetValue(id) is { Length: > 0 } wanted)
            {
                var one = answer.Stages.FirstOrDefault(stage => stage.Id == wanted)
                    ?? throw new Grpc.Core.RpcException(new(Grpc.Core.StatusCode.NotFound, $"there is no staged change '{wanted}'"));
                return Answer.Print(parsed, one, output => output.WriteLine(Line(one)));
            }

            return Answer.Print(parsed, answer, output =>
            {
                if (answer.Stages.Count == 0) output.WriteLine("Nothing is staged.");
                foreach (var stage in answer.Stages) output.WriteLine(Line(stage));
            });
        });
        return command;
    }

    private static Command Abort()
    {
        var id = new Argument<string>("id");
        var reason = new Option<string>("--reason") { Description = "Why, for the ledger", DefaultValueFactory = _ => "" };
        var command = new Command("abort", "Give a staged change up") { id, reason };
        command.SetAction(async (parsed, cancellation) =>
        {
            using var channel = AdminConnection.Open(parsed);
            var request = new AbortStageRequest { Id = parsed.GetValue(id), Reason = parsed.GetValue(reason) };
            var answer = await new PolicyAdmin.PolicyAdminClient(channel).AbortStageAsync(request, cancellationToken: cancellation);
            return Answer.Print(parsed, answer, output => output.WriteLine(Line(answer)));
        });
        return command;
    }

    private static string Line(StagedChange stage)
    {
        var changes = string.Join(", ", stage.Changes.Take(4).Select(change => change.Name));
        var where = stage.State == "soaking" ? $"in step {stage.Step} until {Answer.Time(stage.StepEndsAt)}" : stage.State;
        var why = stage.Explanation.Length > 0 ? $": {stage.Explanation}" : "";
        return $"{stage.Id} ({changes}) {where}{why}; {stage.Checked} tried{(stage.WouldDeny > 0 ? $", {stage.WouldDeny} would be denied" : "")}";
    }

    private static uint Seconds(string text)
    {
        var unit = text.Length > 1 ? text[^1] switch { 's' => 1u, 'm' => 60u, 'h' => 3600u, 'd' => 86400u, _ => 0u } : 0u;
        return unit > 0 && uint.TryParse(text.AsSpan(0, text.Length - 1), NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 0 && number <= 2_592_000 / unit
            ? checked(number * unit)
            : throw new UsageException($"--soak {text} is no time; expected such as 30s, 10m, 2h or 1d.");
    }
}
