using System.CommandLine;
using Spire.Api.Server.Entry.V1;

namespace Identity.Cli.Commands;

/// <summary><c>identity entry list|delete</c>; entries are created with <c>apply</c>.</summary>
internal static class EntryCommand
{
    private const int PageSize = 500;

    public static Command Create() => new("entry", "Look at and delete registration entries") { List(), Delete() };

    public static async Task<List<Spire.Api.Types.Entry>> AllAsync(Entry.EntryClient client, CancellationToken cancellation)
    {
        var entries = new List<Spire.Api.Types.Entry>();
        var request = new ListEntriesRequest { PageSize = PageSize };
        do
        {
            var page = await client.ListEntriesAsync(request, cancellationToken: cancellation);
            entries.AddRange(page.Entries);
            request.PageToken = page.NextPageToken;
        }
        while (request.PageToken.Length > 0);
        return entries;
    }

    private static Command List()
    {
        var command = new Command("list", "List who may have which SPIFFE ID");
        command.SetAction(async (parsed, cancellation) =>
        {
            using var channel = AdminConnection.Open(parsed);
            var answer = new ListEntriesResponse();
            answer.Entries.AddRange((await AllAsync(new(channel), cancellation)).OrderBy(entry => EntryText.Of(entry.SpiffeId), StringComparer.Ordinal));
            foreach (var note in await BelowNobodyAsync(channel, answer.Entries, cancellation)) parsed.InvocationConfiguration.Error.WriteLine($"identity: {note}");
            return Answer.Print(parsed, answer, output => Answer.Table(output, "There is no entry: nobody gets an identity.",
                ["ENTRY", "SPIFFE ID", "PARENT", "SELECTORS"],
                [.. answer.Entries.Select(entry => new[] { entry.Id, EntryText.Of(entry.SpiffeId), EntryText.Of(entry.ParentId), EntryText.Selectors(entry) })]));
        });
        return command;
    }

    // An entry is taken whether or not its parent is there yet, for the order must not matter; a name that was misspelt is seen here.
    private static async Task<IEnumerable<string>> BelowNobodyAsync(Grpc.Core.ChannelBase channel, IReadOnlyCollection<Spire.Api.Types.Entry> entries, CancellationToken cancellation)
    {
        var known = entries.Select(entry => entry.SpiffeId).ToHashSet();
        var open = entries.Where(entry => !known.Contains(entry.ParentId) && entry.ParentId.Path != "/spire/server" && entry.Selectors.All(selector => selector.Type != "spiffe_id")).ToList();
        if (open.Count == 0) return [];
        var agents = await new Spire.Api.Server.Agent.V1.Agent.AgentClient(channel).ListAgentsAsync(new(), cancellationToken: cancellation);
        known.UnionWith(agents.Agents.Select(agent => agent.Id));
        return open.Where(entry => !known.Contains(entry.ParentId)).GroupBy(entry => EntryText.Of(entry.ParentId), StringComparer.Ordinal).OrderBy(group => group.Key, StringComparer.Ordinal)
            .Select(group => $"no entry and no attested agent is {group.Key}; until one is, {Answer.Count(group.Count(), "entry below it gives", "entries below it give")} nobody an identity");
    }

    private static Command Delete()
    {
        var ids = new Argument<string[]>("id") { Description = "Entry IDs, as `identity entry list` shows them", Arity = ArgumentArity.OneOrMore };
        var command = new Command("delete", "Delete entries by ID") { ids };
        command.SetAction(async (parsed, cancellation) =>
        {
            using var channel = AdminConnection.Open(parsed);
            var request = new BatchDeleteEntryRequest();
            request.Ids.AddRange(parsed.GetValue(ids)!);
            var answer = await new Entry.EntryClient(channel).BatchDeleteEntryAsync(request, cancellationToken: cancellation);
            if (answer.Results.FirstOrDefault(result => result.Status.Code != 0) is { } refused)
                throw new Grpc.Core.RpcException(new((Grpc.Core.StatusCode)refused.Status.Code, $"entry {refused.Id}: {refused.Status.Message}"));
            return Answer.Print(parsed, answer, output =>
            {
                foreach (var result in answer.Results)
                    output.WriteLine($"RegistrationEntry {result.Id} deleted");
            });
        });
        return command;
    }
}
