using Grpc.Core;
using Spire.Api.Server.Entry.V1;

namespace Identity.Cli.Commands;

/// <summary>What makes the server's entries those that are wanted, in batches that the server takes.</summary>
internal sealed record EntryPlan(IReadOnlyList<Spire.Api.Types.Entry> Unchanged, IReadOnlyList<Spire.Api.Types.Entry> Create, IReadOnlyList<Spire.Api.Types.Entry> Update)
{
    // What identityd and SPIRE take in one call.
    private const int MaxBatch = 500;

    /// <summary>
    /// An entry is known by its SPIFFE ID, parent and selectors. One whose selectors changed is the one entry of that ID and parent that
    /// nothing wanted claims any more; where that is not clear, a new one is made and none is lost.
    /// </summary>
    /// <param name="wanted">No two with the same key.</param>
    public static EntryPlan Of(IEnumerable<Spire.Api.Types.Entry> present, IReadOnlyList<Spire.Api.Types.Entry> wanted)
    {
        var known = present.GroupBy(EntryText.Of).ToDictionary(same => same.Key, same => same.ToList());
        var (unchanged, create, update) = (new List<Spire.Api.Types.Entry>(), new List<Spire.Api.Types.Entry>(), new List<Spire.Api.Types.Entry>());
        foreach (var same in wanted.GroupBy(EntryText.Of))
        {
            var free = known.GetValueOrDefault(same.Key) ?? [];
            var unmatched = new List<Spire.Api.Types.Entry>();
            foreach (var entry in same)
            {
                if (free.Find(other => EntryText.SameKey(other, entry)) is not { } match)
                {
                    unmatched.Add(entry);
                    continue;
                }

                free.Remove(match);
                entry.Id = match.Id;
                (EntryText.SameContent(match, entry) ? unchanged : update).Add(entry);
            }

            if (unmatched is [var moved] && free is [var left])
            {
                moved.Id = left.Id;
                update.Add(moved);
            }
            else
            {
                create.AddRange(unmatched);
            }
        }

        return new EntryPlan(unchanged, create, update);
    }

    /// <exception cref="RpcException">An entry is refused; the message names it and says how many were made before.</exception>
    public async Task<List<(string Kind, string Name, string Outcome)>> CarryOutAsync(Entry.EntryClient client, CancellationToken cancellation)
    {
        var outcomes = Unchanged.Select(entry => Line(entry, "unchanged")).ToList();
        foreach (var batch in Create.Chunk(MaxBatch))
        {
            var request = new BatchCreateEntryRequest { Entries = { batch } };
            var response = await client.BatchCreateEntryAsync(request, cancellationToken: cancellation);
            outcomes.AddRange(Outcomes(batch, [.. response.Results.Select(result => result.Status)], "created"));
        }

        foreach (var batch in Update.Chunk(MaxBatch))
        {
            var request = new BatchUpdateEntryRequest { Entries = { batch } };
            var response = await client.BatchUpdateEntryAsync(request, cancellationToken: cancellation);
            outcomes.AddRange(Outcomes(batch, [.. response.Results.Select(result => result.Status)], "updated"));
        }

        return outcomes;
    }

    public static async Task<List<(string Kind, string Name, string Outcome)>> DeleteAsync(
        Entry.EntryClient client, IEnumerable<Spire.Api.Types.Entry> entries, CancellationToken cancellation)
    {
        var outcomes = new List<(string, string, string)>();
        foreach (var batch in entries.Chunk(MaxBatch))
        {
            var request = new BatchDeleteEntryRequest { Ids = { batch.Select(entry => entry.Id) } };
            var response = await client.BatchDeleteEntryAsync(request, cancellationToken: cancellation);
            outcomes.AddRange(Outcomes(batch, [.. response.Results.Select(result => result.Status)], "deleted"));
        }

        return outcomes;
    }

    private static IEnumerable<(string, string, string)> Outcomes(Spire.Api.Types.Entry[] entries, Spire.Api.Types.Status[] statuses, string done)
    {
        // Each entry of a batch stands for itself: one that is refused does not undo the others.
        var accepted = statuses.Count(status => status.Code == 0);
        for (var i = 0; i < entries.Length; i++)
        {
            if (statuses[i] is { Code: not 0 } refused)
            {
                throw new RpcException(new Grpc.Core.Status(
                    (StatusCode)refused.Code, $"{EntryText.Of(entries[i].SpiffeId)}: {refused.Message} ({accepted} of {entries.Length} entries were {done})"));
            }
        }

        return entries.Select(entry => Line(entry, done));
    }

    private static (string, string, string) Line(Spire.Api.Types.Entry entry, string outcome) => ("RegistrationEntry", EntryText.Of(entry.SpiffeId), outcome);
}
