using System.CommandLine;
using Identity.V1;

namespace Identity.Cli.Commands;

/// <summary><c>identity decisions</c>: the newest answers.</summary>
internal static class DecisionsCommand
{
    public static Command Create()
    {
        var limit = new Option<int>("--limit") { Description = "At most this many, up to 1000", DefaultValueFactory = _ => 50 };
        var denied = new Option<bool>("--denied") { Description = "Only refusals" };
        var command = new Command("decisions", "List the newest decisions") { limit, denied };
        command.SetAction(async (parsed, cancellation) =>
        {
            using var channel = AdminConnection.Open(parsed);
            var request = new ListDecisionsRequest { Limit = parsed.GetValue(limit), DeniedOnly = parsed.GetValue(denied) };
            var answer = await new Explain.ExplainClient(channel).ListDecisionsAsync(request, cancellationToken: cancellation);
            return Answer.Print(parsed, answer, output => Answer.Table(output, "Nothing was decided yet.",
                ["DECISION", "WHEN", "WHAT", "ANSWER", "SUMMARY"],
                [.. answer.Decisions.Select(decision => new[]
                {
                    decision.Id, Answer.Time(decision.DecidedAt), What(decision.Kind), decision.Allowed ? "allowed" : "denied", decision.Summary,
                })]));
        });
        return command;
    }

    public static string What(DecisionKind kind) => kind switch
    {
        DecisionKind.ComponentStart => "component start",
        DecisionKind.NatsLogin => "NATS login",
        DecisionKind.MeshCertificate => "mesh certificate",
        DecisionKind.WorkloadSvid => "workload SVID",
        DecisionKind.NodeAttestation => "node attestation",
        DecisionKind.Capability => "capability",
        _ => "unknown",
    };
}
