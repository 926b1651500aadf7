using System.Text;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Identity.Server.Endpoints;
using Identity.Server.Ledger;
using Identity.V1;
using Status = Grpc.Core.Status;

namespace Identity.Server.ComponentPolicy;

/// <summary><c>identity.v1.PolicyAdmin</c>.</summary>
internal sealed class PolicyAdminService(ControlPlaneLedger ledger, PolicyRegistry registry) : PolicyAdmin.PolicyAdminBase
{
    public override Task<ApplyPoliciesResponse> ApplyPolicies(ApplyPoliciesRequest request, ServerCallContext context)
    {
        RefuseUnfit(request.Documents.Count, request.Reason, "documents");
        return registry.ApplyAsync(
            request.Documents, request.ExpectedRevision, request.Reason, Caller.Of(context).Author, context.CancellationToken);
    }

    public override Task<ApplyPoliciesResponse> DeletePolicies(DeletePoliciesRequest request, ServerCallContext context)
    {
        RefuseUnfit(request.Names.Count, request.Reason, "names");
        return registry.DeleteAsync(request.Names, request.ExpectedRevision, request.Reason, Caller.Of(context).Author, context.CancellationToken);
    }

    public override Task<ListPoliciesResponse> ListPolicies(ListPoliciesRequest request, ServerCallContext context)
    {
        var state = ledger.State;
        var response = new ListPoliciesResponse { Revision = state.Revision };
        response.Policies.AddRange(state.Policies.Values.Select(policy => new Identity.V1.AppliedPolicy
        {
            Name = policy.Name,
            Text = policy.Text,
            Revision = policy.Revision,
            AppliedAt = Timestamp.FromDateTimeOffset(policy.AppliedAt),
            Author = policy.Author,
        }));
        return Task.FromResult(response);
    }

    private static void RefuseUnfit(int count, string reason, string what)
    {
        if (count is 0 or > PolicyRegistry.MaxDocuments)
        {
            throw new RpcException(new Status(StatusCode.InvalidArgument, $"the request has {count} {what}; expected 1 to {PolicyRegistry.MaxDocuments}"));
        }

        if (Encoding.UTF8.GetByteCount(reason) > PolicyRegistry.MaxReasonBytes || reason.Any(char.IsControl))
        {
            throw new RpcException(new Status(
                StatusCode.InvalidArgument, $"the reason is longer than {PolicyRegistry.MaxReasonBytes} bytes or contains a control character"));
        }
    }
}
