using Grpc.Core;
using Identity.Ledger.V1;
using Identity.Server.Administration;
using Identity.Server.Ledger;
using Spiffe.Net;
using Types = Spire.Api.Types;

namespace Identity.Server.Registration;

/// <summary>Creates, changes and deletes entries. A batch is one transaction; each item has its own answer, refused items change nothing.</summary>
internal sealed class EntryRegistry(ControlPlaneLedger ledger, TrustDomain trustDomain, SelectorTypes selectorTypes, TimeProvider time)
{
    public const int MaxBatch = 500;

    public async Task<IReadOnlyList<EntryAnswer>> CreateAsync(
        IReadOnlyList<Types.Entry> wires, string author, CancellationToken cancellation)
    {
        var parsed = wires.Select(wire => Parse(wire)).ToList();
        var (answers, _) = await ledger.ChangeAsync(author, state => ProposeCreation(parsed, state), cancellation);
        return answers;
    }

    public async Task<IReadOnlyList<EntryAnswer>> UpdateAsync(
        IReadOnlyList<Types.Entry> wires, Types.EntryMask? mask, string author, CancellationToken cancellation)
    {
        var (answers, _) = await ledger.ChangeAsync(author, state => ProposeUpdate(wires, mask, state), cancellation);
        return answers;
    }

    public async Task<IReadOnlyList<EntryAnswer>> DeleteAsync(IReadOnlyList<string> ids, string author, CancellationToken cancellation)
    {
        var (answers, _) = await ledger.ChangeAsync(author, state => ProposeDeletion(ids, state), cancellation);
        return answers;
    }

    private Proposal<EntryAnswer[]> ProposeCreation(List<Parsed> parsed, ControlPlaneState state)
    {
        var now = time.GetUtcNow();
        var changes = new EntryChanges(state, parsed.Select(p => p.Entry).OfType<RegistrationEntry>());
        var answers = parsed.Select(item =>
        {
            if (item.Entry is not { } entry) return EntryAnswer.Refused(StatusCode.InvalidArgument, item.Problem!);
            if (selectorTypes.WhyUnknown(entry.Selectors) is { } unknown) return EntryAnswer.Refused(StatusCode.InvalidArgument, unknown);
            if (FindStranger(entry, state) is { } stranger) return EntryAnswer.UnknownTrustDomain(stranger);
            if (changes.FindLike(entry) is { } like)
            {
                return EntryAnswer.Refused(StatusCode.AlreadyExists, $"similar entry already exists: {like.Id} has the same SPIFFE ID, parent and selectors", like);
            }

            var id = entry.Id.Length > 0 ? entry.Id : Guid.NewGuid().ToString();
            if (changes.Find(id) is not null)
            {
                return EntryAnswer.Refused(StatusCode.AlreadyExists, $"an entry with the id {id} already exists; leave the id out to be given one");
            }

            return EntryAnswer.Done(changes.Set(entry, entry.ToWire(id, revisionNumber: 0, now)));
        }).ToArray();
        return new(Told(answers, changes), changes.List, "create entries");
    }

    private Proposal<EntryAnswer[]> ProposeUpdate(IReadOnlyList<Types.Entry> wires, Types.EntryMask? mask, ControlPlaneState state)
    {
        var parsed = wires.Select(wire => state.Entries.TryGetValue(wire.Id, out var stored)
            ? Parse(EntryMasks.Overlay(mask, stored, wire)) with { Stored = stored }
            : new Parsed(null, null)).ToList();
        var changes = new EntryChanges(state, parsed.Select(p => p.Entry).OfType<RegistrationEntry>());
        var seen = new HashSet<string>(StringComparer.Ordinal);
        var answers = parsed.Zip(wires, (item, wire) =>
        {
            if (item.Stored is not { } stored) return EntryAnswer.NotFound(wire.Id);
            if (!seen.Add(wire.Id)) return EntryAnswer.Refused(StatusCode.InvalidArgument, $"the entry {wire.Id} is given twice in this batch");
            if (item.Entry is not { } entry) return EntryAnswer.Refused(StatusCode.InvalidArgument, item.Problem!);
            // What it has had all along it may keep: an older server took it.
            if (selectorTypes.WhyUnknown(entry.Selectors.Except(stored.Selectors.Select(SelectorText.From))) is { } unknown) return EntryAnswer.Refused(StatusCode.InvalidArgument, unknown);
            if (FindStranger(entry, state) is { } stranger) return EntryAnswer.UnknownTrustDomain(stranger);
            if (changes.FindLike(entry) is { } like && like.Id != stored.Id)
            {
                return EntryAnswer.Refused(StatusCode.AlreadyExists, $"similar entry already exists: {like.Id} has the same SPIFFE ID, parent and selectors", like);
            }

            var createdAt = DateTimeOffset.FromUnixTimeSeconds(stored.CreatedAt);
            if (entry.ToWire(stored.Id, stored.RevisionNumber, createdAt).Equals(stored)) return EntryAnswer.Done(stored);
            return EntryAnswer.Done(changes.Set(entry, entry.ToWire(stored.Id, stored.RevisionNumber + 1, createdAt)));
        }).ToArray();
        return new(Told(answers, changes), changes.List, "update entries");
    }

    private static Proposal<EntryAnswer[]> ProposeDeletion(IReadOnlyList<string> ids, ControlPlaneState state)
    {
        var gone = new HashSet<string>(StringComparer.Ordinal);
        var changes = new List<Change>();
        var answers = ids.Select(id =>
        {
            if (!state.Entries.TryGetValue(id, out var stored) || !gone.Add(id)) return EntryAnswer.NotFound(id);
            changes.Add(new Change { EntryDeleted = id });
            return EntryAnswer.Done(stored);
        }).ToArray();
        return new(answers, changes, "delete entries");
    }

    // In whatever order entries come, the last word about a parent is that of the whole batch.
    private EntryAnswer[] Told(EntryAnswer[] answers, EntryChanges changes) =>
        [.. answers.Select(answer => answer is { Code: StatusCode.OK, Entry: { } entry } && changes.WhyBelowNobody(entry, trustDomain) is { } nobody ? answer.But(nobody) : answer)];

    // As SPIRE: nobody federates with a trust domain whose bundle is not known.
    private static string? FindStranger(RegistrationEntry entry, ControlPlaneState state) =>
        entry.FederatesWith.FirstOrDefault(name => !state.FederatedBundles.ContainsKey(name));

    private Parsed Parse(Types.Entry wire) =>
        RegistrationEntry.TryParse(wire, trustDomain, out var entry, out var problem) ? new(entry, null) : new(null, problem);

    private sealed record Parsed(RegistrationEntry? Entry, string? Problem)
    {
        public Types.Entry? Stored { get; init; }
    }
}
