using System.Text;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Identity.Server.DecisionPoints.WasmCloudV2;
using Identity.Server.Endpoints;
using Identity.Server.Ledger;
using Identity.Server.Registration;
using Identity.V1;
using Status = Grpc.Core.Status;

namespace Identity.Server.ComponentPolicy;

/// <summary><c>identity.v1.PolicyAdmin</c>.</summary>
internal sealed partial class PolicyAdminService(
    ControlPlaneLedger ledger,
    PolicyRegistry registry,
    PolicyRevisions revisions,
    PolicyProposals proposals,
    PolicyQuestions questions,
    ShadowCounts shadows,
    StagedChanges stages,
    PolicyComparisons comparisons,
    IEnumerable<AllowedWorkloads> workloads,
    TimeProvider time,
    ILogger<PolicyAdminService> logger) : PolicyAdmin.PolicyAdminBase
{
    private const int DefaultRevisions = 50;
    private const int MaxRevisions = 1000;
    private const uint MinUnheardSeconds = 60;
    private const uint MaxUnheardSeconds = 30 * 86400;

    public override async Task<ApplyPoliciesResponse> ApplyPolicies(ApplyPoliciesRequest request, ServerCallContext context)
    {
        using var place = registry.Enter(Caller.Of(context));
        RefuseUnfit(request.Documents.Count, request.Reason, "documents");
        return await registry.ApplyAsync(request, Caller.Of(context), context.CancellationToken);
    }

    public override async Task<ApplyPoliciesResponse> DeletePolicies(DeletePoliciesRequest request, ServerCallContext context)
    {
        using var place = registry.Enter(Caller.Of(context));
        RefuseUnfit(request.Names.Count + request.Roles.Count, request.Reason, "names");
        return await registry.DeleteAsync(request, Caller.Of(context), context.CancellationToken);
    }

    public override Task<ListPoliciesResponse> ListPolicies(ListPoliciesRequest request, ServerCallContext context)
    {
        var state = ledger.State;
        return Task.FromResult(Response(state.Revision, state.Policies.Values));
    }

    public override Task<ListPoliciesResponse> ListRoles(ListRolesRequest request, ServerCallContext context)
    {
        var state = ledger.State;
        var at = PolicyRevisions.Check(request.AtRevision, state);
        return OfPastAsync(at < state.Governance.RoleRevision, () => Response(at, revisions.RolesAt(state, at)), context);
    }

    public override Task<ListPoliciesResponse> GetPolicies(GetPoliciesRequest request, ServerCallContext context)
    {
        var state = ledger.State;
        var at = PolicyRevisions.Check(request.AtRevision, state);
        return OfPastAsync(at < state.PolicyRevision, () => Response(at, revisions.DocumentsAt(state, at)), context);
    }

    public override Task<ListRevisionsResponse> ListRevisions(ListRevisionsRequest request, ServerCallContext context)
    {
        if (request.Limit is < 0 or > MaxRevisions)
        {
            throw new RpcException(new Status(StatusCode.InvalidArgument, $"limit is {request.Limit}; expected 0 to {MaxRevisions}"));
        }

        var state = ledger.State;
        var limit = request.Limit == 0 ? DefaultRevisions : request.Limit;
        return OfPastAsync(
            true,
            () => new ListRevisionsResponse { Current = PolicyProposals.Base(state), Revisions = { revisions.List(state, limit, request.Before, request.Name.Length > 0 ? request.Name : null) } },
            context);
    }

    public override async Task<ApplyPoliciesResponse> Rollback(RollbackRequest request, ServerCallContext context)
    {
        using var place = registry.Enter(Caller.Of(context));
        RefuseWithoutReason(request.Reason);
        return await registry.RollbackAsync(request, Caller.Of(context), context.CancellationToken);
    }

    public override async Task<Proposal> Propose(ProposeRequest request, ServerCallContext context)
    {
        using var place = registry.Enter(Caller.Of(context));
        RefuseUnfit(request.Documents.Count + request.DeletePolicies.Count + request.DeleteRoles.Count, request.Reason, "documents and names");
        RefuseWithoutReason(request.Reason);
        return await proposals.ProposeAsync(request, Caller.Of(context), context.CancellationToken);
    }

    public override async Task<ListProposalsResponse> ListProposals(ListProposalsRequest request, ServerCallContext context) =>
        new() { Proposals = { await proposals.ListAsync(request.Id, context.CancellationToken) } };

    public override async Task<ApproveResponse> Approve(ApproveRequest request, ServerCallContext context)
    {
        using var place = registry.Enter(Caller.Of(context));
        return await proposals.ApproveAsync(request, Caller.Of(context), context.CancellationToken);
    }

    public override async Task<Proposal> Withdraw(WithdrawRequest request, ServerCallContext context)
    {
        using var place = registry.Enter(Caller.Of(context));
        return await proposals.WithdrawAsync(request, Caller.Of(context), context.CancellationToken);
    }

    public override Task<DecideAtResponse> DecideAt(DecideAtRequest request, ServerCallContext context) => questions.DecideAsync(request, context.CancellationToken);

    public override Task<DiffRevisionsResponse> DiffRevisions(DiffRevisionsRequest request, ServerCallContext context) =>
        questions.DiffAsync(request, context.CancellationToken);

    public override Task<ListShadowCountsResponse> ListShadowCounts(ListShadowCountsRequest request, ServerCallContext context) => Task.FromResult(shadows.List());

    public override async Task<StagedChange> Stage(StageRequest request, ServerCallContext context)
    {
        using var place = registry.Enter(Caller.Of(context));
        RefuseUnfit(request.Documents.Count + request.DeletePolicies.Count, request.Reason, "documents and names");
        RefuseWithoutReason(request.Reason);
        return await stages.StageAsync(request, Caller.Of(context), context.CancellationToken);
    }

    public override Task<ListStagesResponse> ListStages(ListStagesRequest request, ServerCallContext context) =>
        comparisons.RunAsync(() => new ListStagesResponse { Stages = { stages.List() } }, context.CancellationToken);

    public override async Task<StagedChange> AbortStage(AbortStageRequest request, ServerCallContext context)
    {
        using var place = registry.Enter(Caller.Of(context));
        RefuseUnfit(request.Reason);
        return await stages.AbortAsync(request, Caller.Of(context), context.CancellationToken);
    }

    public override async Task<StagedChange> ConfirmStage(ConfirmStageRequest request, ServerCallContext context)
    {
        using var place = registry.Enter(Caller.Of(context));
        RefuseUnfit(request.Reason);
        RefuseWithoutReason(request.Reason);
        return await stages.ConfirmAsync(request, Caller.Of(context), context.CancellationToken);
    }

    public override async Task<ForgetWorkloadsResponse> ForgetWorkloads(ForgetWorkloadsRequest request, ServerCallContext context)
    {
        // It bears on everybody's changes, and no role says whose these are.
        var caller = Caller.Of(context);
        if (caller is not Caller.Admin) throw new RpcException(new Status(StatusCode.PermissionDenied, "workloads are forgotten for administrators of this server only"));
        RefuseUnfit(request.Reason);
        if (string.IsNullOrWhiteSpace(request.Reason)) throw new RpcException(new Status(StatusCode.InvalidArgument, "a reason is required: the log keeps it"));
        if (request.UnheardSeconds is < MinUnheardSeconds or > MaxUnheardSeconds)
            throw new RpcException(new Status(StatusCode.InvalidArgument, $"unheard_seconds is {request.UnheardSeconds}; expected {MinUnheardSeconds} to {MaxUnheardSeconds}"));
        // The interposer's hosts say by themselves what runs.
        var door = workloads.SingleOrDefault(one => one.HearsEnds)
            ?? throw new RpcException(new Status(StatusCode.FailedPrecondition, "this server remembers nothing that could be forgotten: it serves no webhook of Kubernetes (--admission-listen)"));
        var answer = await door.ForgetUnheardAsync(time.GetUtcNow() - TimeSpan.FromSeconds(request.UnheardSeconds));
        Forgot(caller.Author, answer.Forgotten, request.UnheardSeconds, answer.Remembered, Quote.From(request.Reason));
        return new ForgetWorkloadsResponse { Forgotten = (ulong)answer.Forgotten, Example = answer.Example, Remembered = (ulong)answer.Remembered };
    }

    // What was in force once is read from the ledger, as much as a caller likes: with comparisons, a few at once.
    private Task<T> OfPastAsync<T>(bool isPast, Func<T> read, ServerCallContext context) => isPast ? comparisons.RunAsync(read, context.CancellationToken) : Task.FromResult(read());

    private static ListPoliciesResponse Response(ulong revision, IEnumerable<Ledger.AppliedPolicy> documents)
    {
        var response = new ListPoliciesResponse { Revision = revision };
        response.Policies.AddRange(documents.Select(policy => new Identity.V1.AppliedPolicy
        {
            Name = policy.Name,
            Text = policy.Text,
            Revision = policy.Revision,
            AppliedAt = Timestamp.FromDateTimeOffset(policy.AppliedAt),
            Author = policy.Author,
        }));
        return response;
    }

    private static void RefuseUnfit(int count, string reason, string what)
    {
        if (count is 0 or > PolicyRegistry.MaxDocuments)
        {
            throw new RpcException(new Status(StatusCode.InvalidArgument, $"the request has {count} {what}; expected 1 to {PolicyRegistry.MaxDocuments}"));
        }

        RefuseUnfit(reason);
    }

    private static void RefuseWithoutReason(string reason)
    {
        if (string.IsNullOrWhiteSpace(reason)) throw new RpcException(new Status(StatusCode.InvalidArgument, "a reason is required: the ledger keeps it"));
        RefuseUnfit(reason);
    }

    private static void RefuseUnfit(string reason)
    {
        if (Encoding.UTF8.GetByteCount(reason) > PolicyRegistry.MaxReasonBytes || Identity.Policy.PlainText.HasUnseen(reason))
        {
            throw new RpcException(new Status(
                StatusCode.InvalidArgument, $"the reason is longer than {PolicyRegistry.MaxReasonBytes} bytes or contains characters that cannot be seen; write one line of plain text"));
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Author} had {Forgotten} workloads forgotten that the webhook had not heard of for {Seconds} s; {Remembered} are remembered: {Reason}")]
    private partial void Forgot(string author, long forgotten, uint seconds, long remembered, string reason);
}
