using System.CommandLine;
using Spire.Api.Server.Agent.V1;

namespace Identity.Cli.Commands;

/// <summary><c>identity token generate</c>: a join token, which lets one agent attest once.</summary>
internal static class TokenCommand
{
    public static Command Create() => new("token", "Make join tokens") { Generate() };

    private static Command Generate()
    {
        var alias = new Option<string>("--spiffe-id") { Description = "An ID for the node, to use as the parent of entries" };
        var ttl = TtlOption.Create("How long the token can be used", "10m");
        var file = new Option<string>("--output-file") { Description = "Write the token there (0600) instead of printing it" };
        var command = new Command("generate", "Make a join token that lets one agent attest once") { alias, ttl, file };
        command.SetAction(async (parsed, cancellation) =>
        {
            var request = new CreateJoinTokenRequest { Ttl = TtlOption.Seconds(parsed, ttl) };
            if (parsed.GetValue(alias) is { } text)
                request.AgentId = EntryText.ToWire(SpiffeIdArgument.Parse(text));
            using var channel = AdminConnection.Open(parsed);
            var token = await new Agent.AgentClient(channel).CreateJoinTokenAsync(request, cancellationToken: cancellation);
            if (parsed.GetValue(file) is not { } path)
                return Answer.Print(parsed, token, output => output.WriteLine(token.Value));
            PrivateFile.Write(path, System.Text.Encoding.ASCII.GetBytes(token.Value));
            return ApplyCommand.Print(parsed, 0, [("JoinToken", path, "written")]);
        });
        return command;
    }
}
