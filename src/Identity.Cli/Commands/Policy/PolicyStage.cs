using System.CommandLine;
using Identity.V1;

namespace Identity.Cli.Commands.Policy;

/// <summary><c>identity policy stage -f FILE --soak 10m</c>, <c>stage status</c>, <c>stage confirm ID --denies N</c>, <c>stage abort ID</c>, <c>stage forget --unheard-for 10m</c>.</summary>
internal static class PolicyStage
{
    public static Command Create()
    {
        var files = ManifestFiles.Option();
        files.Required = false;
        var delete = new Option<string[]>("--delete") { Description = "A policy to delete", HelpName = "NAME", DefaultValueFactory = _ => [] };
        var soak = StageSteps.Soak("How long each step lasts: 30s, 10m, 2h, 1d (default 10m)");
        var through = StageSteps.Through();
        var reason = ReasonOption.Create();
        var command = new Command("stage", "Try a change on everything that runs; it goes into force by itself, or stops by itself when it would deny something")
        {
            files, delete, soak, through, reason, Status(), Confirm(), Abort(), Forget(),
        };
        command.SetAction(async (parsed, cancellation) =>
        {
            var request = new StageRequest { Reason = ReasonOption.Read(parsed, reason) };
            if (parsed.GetValue(files) is { Length: > 0 } paths)
            {
                var manifest = ManifestFiles.Read(paths);
                if (manifest.Entries.Length + manifest.Roles.Length > 0) throw new UsageException("only policies are staged; apply roles and registration entries with `identity apply`.");
                request.Documents.AddRange(ApplyCommand.PolicySources(manifest));
            }

            request.DeletePolicies.AddRange(parsed.GetValue(delete));
            if (request.Documents.Count + request.DeletePolicies.Count == 0) throw new UsageException("name a file with -f, or a policy with --delete.");
            var plan = StageSteps.Read(parsed.GetValue(soak) ?? "10m", parsed.GetValue(through)!);
            request.SoakSeconds = plan.SoakSeconds;
            request.Through.AddRange(plan.Through);
            using var channel = AdminConnection.Open(parsed);
            var answer = await new PolicyAdmin.PolicyAdminClient(channel).StageAsync(request, cancellationToken: cancellation);
            return Answer.Print(parsed, answer, output => Write(output, answer));
        });
        return command;
    }

    private static Command Status()
    {
        var id = new Argument<string>("id") { Description = "Only this one", Arity = ArgumentArity.ZeroOrOne, DefaultValueFactory = _ => "" };
        var command = new Command("status", "Show the staged changes, the newest first; with an id that one") { id };
        command.SetAction(async (parsed, cancellation) =>
        {
            using var channel = AdminConnection.Open(parsed);
            var answer = await new PolicyAdmin.PolicyAdminClient(channel).ListStagesAsync(new(), cancellationToken: cancellation);
            if (parsed.GetValue(id) is { Length: > 0 } wanted)
            {
                var one = answer.Stages.FirstOrDefault(stage => stage.Id == wanted)
                    ?? throw new Grpc.Core.RpcException(new(Grpc.Core.StatusCode.NotFound, $"there is no staged change '{wanted}'"));
                return Answer.Print(parsed, one, output => Write(output, one));
            }

            return Answer.Print(parsed, answer, output =>
            {
                if (answer.Stages.Count == 0) output.WriteLine("Nothing is staged.");
                foreach (var stage in answer.Stages) Write(output, stage);
            });
        });
        return command;
    }

    private static Command Confirm()
    {
        var id = new Argument<string>("id");
        var denies = new Option<ulong>("--denies") { Description = "It may deny so many of those who are said to run where nobody is proven, and no more", HelpName = "N", Required = true };
        var reason = ReasonOption.Create();
        var command = new Command("confirm", "Let a staged change go into force though it would deny what nobody can prove to run") { id, denies, reason };
        command.SetAction(async (parsed, cancellation) =>
        {
            using var channel = AdminConnection.Open(parsed);
            var request = new ConfirmStageRequest { Id = parsed.GetValue(id), Denies = parsed.GetValue(denies), Reason = ReasonOption.Read(parsed, reason) };
            var answer = await new PolicyAdmin.PolicyAdminClient(channel).ConfirmStageAsync(request, cancellationToken: cancellation);
            return Answer.Print(parsed, answer, output => Write(output, answer));
        });
        return command;
    }

    private static Command Abort()
    {
        var id = new Argument<string>("id");
        var reason = ReasonOption.Create();
        var command = new Command("abort", "Give a staged change up") { id, reason };
        command.SetAction(async (parsed, cancellation) =>
        {
            using var channel = AdminConnection.Open(parsed);
            var request = new AbortStageRequest { Id = parsed.GetValue(id), Reason = ReasonOption.Read(parsed, reason) };
            var answer = await new PolicyAdmin.PolicyAdminClient(channel).AbortStageAsync(request, cancellationToken: cancellation);
            return Answer.Print(parsed, answer, output => Write(output, answer));
        });
        return command;
    }

    private static Command Forget()
    {
        var unheard = new Option<string>("--unheard-for") { Description = "What the Kubernetes webhook has not heard of for so long: 10m, 2h, 1d", HelpName = "TIME", Required = true };
        var reason = ReasonOption.Create("log");
        var command = new Command("forget", "Forget the workloads that are gone without the webhook having heard of it; have all that there is told anew first") { unheard, reason };
        command.SetAction(async (parsed, cancellation) =>
        {
            var time = parsed.GetValue(unheard)!;
            var request = new ForgetWorkloadsRequest { UnheardSeconds = StageSteps.Seconds("--unheard-for", time), Reason = ReasonOption.Read(parsed, reason) };
            using var channel = AdminConnection.Open(parsed);
            var answer = await new PolicyAdmin.PolicyAdminClient(channel).ForgetWorkloadsAsync(request, cancellationToken: cancellation);
            return Answer.Print(parsed, answer, output => output.WriteLine(
                $"{Count(answer.Forgotten, "workload")} forgotten that {(answer.Forgotten == 1 ? "was" : "were")} not heard of for {time}{(answer.Example.Length > 0 ? $", such as {answer.Example}" : "")}; {answer.Remembered} remembered"));
        });
        return command;
    }

    /// <summary>What it is, where it stands, and what was found.</summary>
    public static void Write(TextWriter output, StagedChange stage)
    {
        if (stage.Proposal is { } proposal)
        {
            output.WriteLine("Others must approve this before it is tried.");
            ProposalText.Write(output, proposal, whole: false);
            return;
        }

        output.WriteLine($"{stage.Id} {Standing(stage)}");
        output.WriteLine($"  by {stage.Person}: {stage.Reason}");
        foreach (var change in stage.Changes) output.WriteLine($"  CapabilityPolicy {change.Name} {(stage.State == "in force" ? ApplyCommand.Outcome(change.Kind) : ApplyCommand.Intent(change.Kind))}");
        ProposalText.WriteApprovals(output, stage.Approvals);
        output.WriteLine($"  {Count(stage.Checked, "thing")} tried{(stage.WouldDeny > 0 ? $", {stage.WouldDeny} of what may be asked for would be denied" : "")}");
        if (stage.WouldDenyExample.Length > 0) output.WriteLine($"  last: {stage.WouldDenyExample}");
        if (stage.ClaimsWouldDeny > 0)
            output.WriteLine($"  {Count(stage.ClaimsWouldDeny, "question")} of askers that prove nothing would be denied; that halts nothing. Last: {stage.ClaimsExample}");
        if (stage.ClaimsNotTried > 0) output.WriteLine($"  {Count(stage.ClaimsNotTried, "question")} of such askers not tried: they ask too much");
        if (stage.Unproven > 0) output.WriteLine($"  to be confirmed before it is in force: {stage.UnprovenExample}");
        if (stage.Confirmed > 0) output.WriteLine($"  {stage.ConfirmedBy} confirmed that it may deny {stage.Confirmed} of these");
        if (stage.Restarts > 0) output.WriteLine($"  soaked anew {Count(stage.Restarts, "time")}: more happened than could be tried");
        if (stage.Explanation.Length > 0) output.WriteLine($"  {stage.Explanation}");
    }

    private static string Standing(StagedChange stage) =>
        stage.State == "soaking" ? $"soaks in step {stage.Step} ({string.Join(", ", stage.Through)}) until {Answer.Time(stage.StepEndsAt)}" : $"is {stage.State}";

    private static string Count(ulong number, string thing) => $"{number} {thing}{(number == 1 ? "" : "s")}";
}
