using System.CommandLine;
using Identity.V1;

namespace Identity.Cli.Commands;

/// <summary><c>identity status</c>: how the server is.</summary>
internal static class StatusCommand
{
    public static Command Create()
    {
        var command = new Command("status", "Show how the server is");
        command.SetAction(async (parsed, cancellation) =>
        {
            using var channel = AdminConnection.Open(parsed);
            var status = await new Control.ControlClient(channel).GetStatusAsync(new(), cancellationToken: cancellation);
            return Answer.Print(parsed, status, output =>
            {
                output.WriteLine($"trust domain       {status.TrustDomain}");
                output.WriteLine($"ledger revision    {status.Revision} (policy {status.PolicyRevision})");
                output.WriteLine($"entries            {status.Entries}");
                output.WriteLine($"agents             {status.AgentsConnected} connected of {status.AgentsAttested} attested");
                output.WriteLine($"live admissions    {status.LiveAdmissions}");
                output.WriteLine($"credentials issued {status.IssuedCredentials}");
                output.WriteLine($"NATS               {(status.NatsConnected ? "connected" : $"not connected{(status.NatsProblem.Length > 0 ? $": {status.NatsProblem}" : "")}")}");
                output.WriteLine($"X.509 authority    until {Answer.Time(status.X509AuthorityExpiresAt)}");
                output.WriteLine($"JWT authority      until {Answer.Time(status.JwtAuthorityExpiresAt)}");
                if (status.JwtRs256AuthorityExpiresAt is { } rs256) output.WriteLine($"RS256 authority    until {Answer.Time(rs256)}");
                output.WriteLine($"up since           {Answer.Time(status.StartedAt)}");
            });
        });
        return command;
    }
}
