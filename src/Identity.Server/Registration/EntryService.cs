using Grpc.Core;
using Identity.Server.Endpoints;
using Identity.Server.Ledger;
using Spire.Api.Server.Entry.V1;
using Types = Spire.Api.Types;

namespace Identity.Server.Registration;

/// <summary><c>spire.api.server.entry.v1.Entry</c>. SyncAuthorizedEntries is not served; agents of ours use <c>identity.v1.Sync</c>.</summary>
internal sealed class EntryService(ControlPlaneLedger ledger, EntryRegistry registry, TimeProvider time) : Entry.EntryBase
{
    public override Task<CountEntriesResponse> CountEntries(CountEntriesRequest request, ServerCallContext context) =>
        Task.FromResult(new CountEntriesResponse { Count = Matching(EntryFilter.From(request.Filter)).Count() });

    public override Task<ListEntriesResponse> ListEntries(ListEntriesRequest request, ServerCallContext context)
    {
        var (entries, next) = Page.Of(Matching(EntryFilter.From(request.Filter)), e => e.Id, request.PageSize, request.PageToken);
        var response = new ListEntriesResponse { NextPageToken = next };
        response.Entries.AddRange(entries.Select(entry => EntryMasks.Apply(request.OutputMask, entry)));
        return Task.FromResult(response);
    }

    public override Task<Types.Entry> GetEntry(GetEntryRequest request, ServerCallContext context) =>
        ledger.State.Entries.TryGetValue(request.Id, out var entry)
            ? Task.FromResult(EntryMasks.Apply(request.OutputMask, entry))
            : throw new RpcException(new Status(StatusCode.NotFound, $"there is no entry with the id {Quote.From(request.Id)}"));

    public override async Task<BatchCreateEntryResponse> BatchCreateEntry(BatchCreateEntryRequest request, ServerCallContext context)
    {
        RefuseLargeBatch(request.Entries.Count);
        var answers = await registry.CreateAsync(request.Entries, Caller.Of(context).Author, context.CancellationToken);
        var response = new BatchCreateEntryResponse();
        response.Results.AddRange(answers.Select(answer => new BatchCreateEntryResponse.Types.Result
        {
            Status = answer.Status,
            Entry = answer.Entry is null ? null : EntryMasks.Apply(request.OutputMask, answer.Entry),
        }));
        return response;
    }

    public override async Task<BatchUpdateEntryResponse> BatchUpdateEntry(BatchUpdateEntryRequest request, ServerCallContext context)
    {
        RefuseLargeBatch(request.Entries.Count);
        var answers = await registry.UpdateAsync(request.Entries, request.InputMask, Caller.Of(context).Author, context.CancellationToken);
        var response = new BatchUpdateEntryResponse();
        response.Results.AddRange(answers.Select(answer => new BatchUpdateEntryResponse.Types.Result
        {
            Status = answer.Status,
            Entry = answer.Entry is null ? null : EntryMasks.Apply(request.OutputMask, answer.Entry),
        }));
        return response;
    }

    public override async Task<BatchDeleteEntryResponse> BatchDeleteEntry(BatchDeleteEntryRequest request, ServerCallContext context)
    {
        RefuseLargeBatch(request.Ids.Count);
        var answers = await registry.DeleteAsync(request.Ids, Caller.Of(context).Author, context.CancellationToken);
        var response = new BatchDeleteEntryResponse();
        response.Results.AddRange(answers.Zip(request.Ids, (answer, id) => new BatchDeleteEntryResponse.Types.Result { Status = answer.Status, Id = id }));
        return response;
    }

    public override Task<GetAuthorizedEntriesResponse> GetAuthorizedEntries(GetAuthorizedEntriesRequest request, ServerCallContext context)
    {
        if (Caller.Of(context) is not Caller.Agent agent)
        {
            throw new RpcException(new Status(StatusCode.PermissionDenied, "only an attested agent has authorized entries"));
        }

        var response = new GetAuthorizedEntriesResponse();
        response.Entries.AddRange(AuthorizedEntries.For(ledger.State, agent.Id, time.GetUtcNow())
            .Select(entry => EntryMasks.Apply(request.OutputMask, entry)));
        return Task.FromResult(response);
    }

    private IEnumerable<Types.Entry> Matching(EntryFilter filter)
    {
        var state = ledger.State;
        var candidates = filter.Parent is { } parent ? state.EntriesFor(parent) : state.Entries.Values;
        return candidates.Where(filter.Matches);
    }

    private static void RefuseLargeBatch(int count)
    {
        if (count > EntryRegistry.MaxBatch)
        {
            throw new RpcException(new Status(StatusCode.InvalidArgument, $"the batch has {count} items; at most {EntryRegistry.MaxBatch} are allowed"));
        }
    }
}
