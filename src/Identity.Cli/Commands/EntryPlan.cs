using Grpc.Core;
using Spire.Api.Server.Entry.V1;

namespace Identity.Cli.Commands;

/// <summary>What makes the server's entries those that are wanted, in batches that the server takes.</summary>
internal sealed record EntryPlan(IReadOnlyList<Spire.Api.Types.Entry> Unchanged, IReadOnlyList<Spire.Api.Types.Entry> Create, IReadOnlyList<Spire.Api.Types.Entry> Update)
{
    /// <summary>What a person should know of it, a line each: other programs that keep an identity, or lose one.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];

    // What identityd and SPIRE take in one call.
    private const int MaxBatch = 500;

    /// <summary>
    /// An entry is known by its SPIFFE ID, parent and selectors: with other selectors it is another entry, so that no file takes an identity from a program
    /// that it does not name. Those that keep the same identity beside a new entry are noted.
    /// </summary>
    /// <param name="wanted">No two with the same key.</param>
    /// <param name="replace">The one entry of an ID and parent that nothing wanted claims takes the selectors of the one that is new there.</param>
    public static EntryPlan Of(IEnumerable<Spire.Api.Types.Entry> present, IReadOnlyList<Spire.Api.Types.Entry> wanted, bool replace = false)
    {
        var notes = new List<string>();
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

            if (replace && unmatched is [var moved] && free is [var left])
            {
                notes.Add($"{EntryText.Of(moved.SpiffeId)}: entry {left.Id} is no longer for {EntryText.Selectors(left)} but for {EntryText.Selectors(moved)}");
                moved.Id = left.Id;
                update.Add(moved);
            }
            else
            {
                create.AddRange(unmatched);
                if (unmatched.Count > 0) notes.AddRange(free.Select(other => Beside(unmatched, other)));
            }
        }

        return new EntryPlan(unchanged, create, update) { Notes = notes };
    }

    /// <summary>What carrying it out would say.</summary>
    public List<(string Kind, string Name, string Outcome)> Foretell() =>
    [
        .. Unchanged.Select(entry => Line(entry, "unchanged")),
        .. Create.Select(entry => Line(entry, "would be created")),
        .. Update.Select(entry => Line(entry, "would be updated")),
    ];

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

    private static string Beside(List<Spire.Api.Types.Entry> made, Spire.Api.Types.Entry other) =>
        $"{EntryText.Of(other.SpiffeId)}: {string.Join(" and ", made.Select(EntryText.Selectors))} is an entry beside {other.Id}, which stays for {EntryText.Selectors(other)}; "
        + $"`identity apply --replace` changes that one instead, `identity entry delete {other.Id}` ends it";

    private static (string, string, string) Line(Spire.Api.Types.Entry entry, string outcome) => ("RegistrationEntry", EntryText.Of(entry.SpiffeId), outcome);
}
