using System.CommandLine;
using Spire.Api.Server.Agent.V1;
using Spire.Api.Types;

namespace Identity.Cli.Commands;

/// <summary><c>identity agent list|ban|delete</c>.</summary>
internal static class AgentCommand
{
    public static Command Create() => new("agent", "Look at, ban and forget agents") { List(), Ban(), Delete() };

    private static Command List()
    {
        var command = new Command("list", "List attested agents");
        command.SetAction(async (parsed, cancellation) =>
        {
            using var channel = AdminConnection.Open(parsed);
            var answer = await new Spire.Api.Server.Agent.V1.Agent.AgentClient(channel).ListAgentsAsync(new ListAgentsRequest(), cancellationToken: cancellation);
            return Answer.Print(parsed, answer, output => Answer.Table(output, "No agent has attested.",
                ["SPIFFE ID", "ATTESTED BY", "SVID EXPIRES", "BANNED"],
                [.. answer.Agents.Select(agent => new[]
                {
                    EntryText.Of(agent.Id), agent.AttestationType,
                    Answer.Time(Google.Protobuf.WellKnownTypes.Timestamp.FromDateTimeOffset(DateTimeOffset.FromUnixTimeSeconds(agent.X509SvidExpiresAt))),
                    agent.Banned ? "yes" : "no",
                })]));
        });
        return command;
    }

    private static Command Ban() => One("ban", "Cut an agent off at once; it stays known and cannot come back",
        (client, id, cancellation) => client.BanAgentAsync(new BanAgentRequest { Id = id }, cancellationToken: cancellation).ResponseAsync, "banned");

    private static Command Delete() => One("delete", "Forget an agent; it may attest again with a new token",
        (client, id, cancellation) => client.DeleteAgentAsync(new DeleteAgentRequest { Id = id }, cancellationToken: cancellation).ResponseAsync, "deleted");

    private static Command One(
        string verb, string description,
        Func<Spire.Api.Server.Agent.V1.Agent.AgentClient, SPIFFEID, CancellationToken, Task> deed, string done)
    {
        var argument = new Argument<string>("spiffe-id");
        var command = new Command(verb, description) { argument };
        command.SetAction(async (parsed, cancellation) =>
        {
            var id = SpiffeIdArgument.Parse(parsed.GetValue(argument)!);
            using var channel = AdminConnection.Open(parsed);
            await deed(new(channel), EntryText.ToWire(id), cancellation);
            return ApplyCommand.Print(parsed, 0, [("Agent", id.ToString(), done)]);
        });
        return command;
    }
}
