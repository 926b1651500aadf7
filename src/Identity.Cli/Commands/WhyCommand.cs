using System.CommandLine;
using Identity.V1;

namespace Identity.Cli.Commands;

/// <summary><c>identity why ID</c>: one decision, in full.</summary>
internal static class WhyCommand
{
    public static Command Create()
    {
        var id = new Argument<string>("decision-id") { Description = "As a refusal named it, for example d-…" };
        var command = new Command("why", "Explain a decision: the rule or the nearest miss, and the smallest change that would turn it") { id };
        command.SetAction(async (parsed, cancellation) =>
        {
            using var channel = AdminConnection.Open(parsed);
            var decision = await new Explain.ExplainClient(channel).GetDecisionAsync(new() { Id = parsed.GetValue(id) }, cancellationToken: cancellation);
            return Answer.Print(parsed, decision, output => Write(output, decision));
        });
        return command;
    }

    private static void Write(TextWriter output, Decision decision)
    {
        output.WriteLine($"{(decision.Allowed ? "allowed" : "denied")}: {decision.Summary}");
        output.WriteLine();
        output.WriteLine($"  decision  {decision.Id}");
        output.WriteLine($"  what      {DecisionsCommand.What(decision.Kind)}");
        if (decision.Subject.Length > 0)
            output.WriteLine($"  who       {decision.Subject}");
        output.WriteLine($"  when      {Answer.Time(decision.DecidedAt)}, policy revision {decision.PolicyRevision}");
        if (decision.DecidedBy.Length > 0)
            output.WriteLine($"  by        {decision.DecidedBy}");
        if (decision.Door.Length > 0)
            output.WriteLine($"  asked     at {decision.Door}{(decision.AskedBy.Length > 0 ? $" by {decision.AskedBy}" : "")}");
        var shown = "";
        foreach (var reason in decision.Reasons)
        {
            output.WriteLine();
            output.WriteLine($"  {(reason.Capability.Length > 0 ? reason.Capability : "in general")}{For(reason.Principal)}");
            // A refusal names its rule itself, and says whether it forbids or only came nearest.
            if (reason.Rule.Length > 0 && !reason.Explanation.Contains(reason.Rule, StringComparison.Ordinal))
                output.WriteLine($"    {(decision.Kind == DecisionKind.WorkloadSvid ? "entry" : "rule")} {reason.Rule}");
            if (reason.Explanation.Length > 0)
                output.WriteLine($"    {WithoutCapability(reason)}");
            if (reason.SmallestGrant.Length == 0)
                continue;
            if (reason.SmallestGrant == shown)
            {
                output.WriteLine("    the same grant would turn it");
                continue;
            }
            shown = reason.SmallestGrant;
            output.WriteLine("    smallest grant that would turn it:");
            foreach (var line in shown.TrimEnd().Split('\n'))
                output.WriteLine($"      {line}");
        }

        WriteNotes(output, decision);
    }

    private static void WriteNotes(TextWriter output, Decision decision)
    {
        if (decision.Warnings.Count + decision.Shadow.Count > 0) output.WriteLine();
        foreach (var warning in decision.Warnings) output.WriteLine($"  warning: {warning.Capability}{For(warning.Principal)}: {(warning.Rule.Length > 0 ? $"rule {warning.Rule} " : "")}{warning.Explanation}");
        foreach (var shadow in decision.Shadow)
            output.WriteLine($"  in mode shadow: {shadow.Capability}{For(shadow.Principal)}: rule {shadow.Rule} would {(shadow.WouldAllow ? "permit" : "forbid")} it if it were enforced");
    }

    private static string For(string principal) => principal.Length > 0 ? $", for {principal}" : "";

    // It stands in the line above.
    private static string WithoutCapability(Reason reason) =>
        reason.Capability.Length > 0 && reason.Explanation.StartsWith(reason.Capability + ": ", StringComparison.Ordinal)
            ? reason.Explanation[(reason.Capability.Length + 2)..]
            : reason.Explanation;
}
