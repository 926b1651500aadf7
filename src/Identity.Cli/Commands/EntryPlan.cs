using Grpc.Core;
using Spire.Api.Server.Entry.V1;

namespace Identity.Cli.Commands;

/// <summary>What happens to entries of the same SPIFFE ID and parent that have other selectors than the documents say, and that no document names.</summary>
internal enum OtherEntries
{
    /// <summary>One that the document only narrows is changed; of anything else the author is asked.</summary>
    Refuse = 0,

    /// <summary>The only one gives its place to the only new one.</summary>
    Replace,

    /// <summary>All of them stay, and so does what they give.</summary>
    Beside,
}

/// <summary>What makes the server's entries those that are wanted, in batches that the server takes.</summary>
internal sealed record EntryPlan(IReadOnlyList<Spire.Api.Types.Entry> Unchanged, IReadOnlyList<Spire.Api.Types.Entry> Create, IReadOnlyList<Spire.Api.Types.Entry> Update)
{
    /// <summary>What a person should know of it, a line each: other programs that keep an identity, or lose one.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];

    /// <summary>What the server said of what was carried out, a line each.</summary>
    public List<string> Said { get; } = [];

    public static EntryPlan Nothing { get; } = new([], [], []);

    // What identityd and SPIRE take in one call.
    private const int MaxBatch = 500;
    private const string But = "OK, but ";

    /// <summary>
    /// An entry is known by its SPIFFE ID, parent and selectors. With more selectors it is the same entry made narrower, when there is one such that no other
    /// document claims: its author would not want the wide one to stay. With other selectors it may be another program or the same one moved, and nobody but its
    /// author knows: no file takes an identity from a program that it does not name, nor leaves it with one, unless told so.
    /// </summary>
    /// <param name="wanted">No two with the same key.</param>
    /// <exception cref="RefusedException">What is meant with an entry that nothing wanted claims cannot be told; all of them are named.</exception>
    public static EntryPlan Of(IEnumerable<Spire.Api.Types.Entry> present, IReadOnlyList<Spire.Api.Types.Entry> wanted, OtherEntries others = OtherEntries.Refuse)
    {
        var (notes, unclear) = (new List<string>(), new List<string>());
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

            foreach (var (moved, left) in Pairs(unmatched, free, others))
            {
                notes.Add($"{EntryText.Of(moved.SpiffeId)}: entry {left.Id} is no longer for {EntryText.Selectors(left)} but for {EntryText.Selectors(moved)}");
                moved.Id = left.Id;
                update.Add(moved);
                unmatched.Remove(moved);
                free.Remove(left);
            }

            create.AddRange(unmatched);
            if (unmatched.Count == 0 || free.Count == 0) continue;
            if (others == OtherEntries.Beside) notes.AddRange(free.Select(other => Beside(unmatched, other)));
            else unclear.Add(Unclear(unmatched, free, others));
        }

        return unclear.Count == 0
            ? new EntryPlan(unchanged, create, update) { Notes = notes }
            : throw new RefusedException(string.Join(Environment.NewLine + "  ", unclear.Prepend("nothing was sent, because:")));
    }

    // A new one and the one whose place it takes.
    private static List<(Spire.Api.Types.Entry Moved, Spire.Api.Types.Entry Left)> Pairs(
        List<Spire.Api.Types.Entry> unmatched, List<Spire.Api.Types.Entry> free, OtherEntries others) => others switch
        {
            OtherEntries.Beside => [],
            OtherEntries.Replace when unmatched is [var moved] && free is [var left] => [(moved, left)],
            _ =>
            [
                .. unmatched.Select(moved => (Moved: moved, Wider: free.FindAll(left => EntryText.IsNarrower(moved, left))))
                .Where(pair => pair.Wider is [var left] && unmatched.Count(other => EntryText.IsNarrower(other, left)) == 1)
                .Select(pair => (pair.Moved, pair.Wider[0])),
        ],
        };

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
            Said.AddRange(NotesOf(batch, response.Results.Select(result => result.Status)));
        }

        foreach (var batch in Update.Chunk(MaxBatch))
        {
            var request = new BatchUpdateEntryRequest { Entries = { batch } };
            var response = await client.BatchUpdateEntryAsync(request, cancellationToken: cancellation);
            outcomes.AddRange(Outcomes(batch, [.. response.Results.Select(result => result.Status)], "updated"));
            Said.AddRange(NotesOf(batch, response.Results.Select(result => result.Status)));
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

    // A server of ours says what else is so behind its OK. Of a parent that comes in a later batch nothing is missing.
    private IEnumerable<string> NotesOf(Spire.Api.Types.Entry[] entries, IEnumerable<Spire.Api.Types.Status> statuses) =>
        entries.Zip(statuses).Where(pair => pair.Second.Message.StartsWith(But, StringComparison.Ordinal) && !Create.Concat(Update).Any(other => other.SpiffeId.Equals(pair.First.ParentId)))
            .Select(pair => $"{EntryText.Of(pair.First.SpiffeId)}: {pair.Second.Message[But.Length..]}");

    private static string Beside(List<Spire.Api.Types.Entry> made, Spire.Api.Types.Entry other) =>
        $"{EntryText.Of(other.SpiffeId)}: {string.Join(" and ", made.Select(EntryText.Selectors))} is an entry beside {other.Id}, which stays for {EntryText.Selectors(other)}; "
        + $"`identity entry delete {other.Id}` ends it";

    private static string Unclear(List<Spire.Api.Types.Entry> made, List<Spire.Api.Types.Entry> left, OtherEntries others)
    {
        var said = $"{EntryText.Of(made[0])} would be for {string.Join(" and for ", made.Select(EntryText.Selectors))}, "
            + $"but there is {string.Join(" and ", left.Select(other => $"entry {other.Id} for {EntryText.Selectors(other)}"))}, which no document names";
        return others == OtherEntries.Replace
            ? $"{said}: which one takes the place of which cannot be told. End what should not stay (`identity entry delete {left[0].Id}`), or keep all with --beside"
            : $"{said}. --replace gives its place to the new one, --beside keeps both, `identity entry delete {left[0].Id}` ends it";
    }

    private static (string, string, string) Line(Spire.Api.Types.Entry entry, string outcome) => ("RegistrationEntry", EntryText.Of(entry.SpiffeId), outcome);
}
