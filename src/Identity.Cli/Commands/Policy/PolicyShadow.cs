using System.CommandLine;
using Identity.V1;

namespace Identity.Cli.Commands.Policy;

/// <summary><c>identity policy shadow</c>: what rules in mode shadow would have done to live decisions.</summary>
internal static class PolicyShadow
{
    public static Command Create()
    {
        var command = new Command("shadow", "Show what rules in mode shadow would have done since the server started");
        command.SetAction(async (parsed, cancellation) =>
        {
            using var channel = AdminConnection.Open(parsed);
            var answer = await new PolicyAdmin.PolicyAdminClient(channel).ListShadowCountsAsync(new(), cancellationToken: cancellation);
            return Answer.Print(parsed, answer, output =>
            {
                Answer.Table(output, $"No rule in mode shadow would have changed an answer since {Answer.Time(answer.Since)}.",
                    ["RULE", "WOULD ALLOW", "WOULD DENY", "FIRST", "LAST", "EXAMPLE"],
                    [.. answer.Counts.Select(count => new[]
                    {
                        count.Rule, $"{count.WouldAllow}", $"{count.WouldDeny}", Answer.Time(count.FirstSeen), Answer.Time(count.LastSeen), count.Example,
                    })]);
                if (answer.Counts.Count > 0) output.WriteLine($"Counted since {Answer.Time(answer.Since)}, when the server started.");
                if (answer.NotCounted > 0) output.WriteLine($"There was no room for {answer.NotCounted} more, of other rules.");
            });
        });
        return command;
    }
}
