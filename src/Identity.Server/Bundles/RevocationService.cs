using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Identity.Server.Endpoints;
using Identity.Server.Ledger;
using Identity.V1;

namespace Identity.Server.Bundles;

/// <summary><c>identity.v1.Revocation</c>: takes certificate revocation lists from an operator.</summary>
internal sealed class RevocationService(ControlPlaneLedger ledger, RevocationLists lists) : Revocation.RevocationBase
{
    public override async Task<Crl> SetCrl(SetCrlRequest request, ServerCallContext context) =>
        await lists.SetAsync(request.Crl.Memory, Caller.Of(context).Author, context.CancellationToken) switch
        {
            RevocationAnswer.Accepted(var list) => Describe(list),
            RevocationAnswer.Refused(var problem) => throw new RpcException(new(StatusCode.InvalidArgument, problem)),
            RevocationAnswer.Outdated(var problem) => throw new RpcException(new(StatusCode.FailedPrecondition, problem)),
            _ => throw new RpcException(new(StatusCode.Internal, "no answer")),
        };

    public override Task<ListCrlsResponse> ListCrls(ListCrlsRequest request, ServerCallContext context)
    {
        var response = new ListCrlsResponse();
        foreach (var stored in ledger.State.Crls.Values)
        {
            if (RevocationList.TryRead(stored.Der.Memory, out var list, out _)) response.Crls.Add(Describe(list with { AuthorityId = stored.AuthorityId }));
        }

        return Task.FromResult(response);
    }

    private static Crl Describe(RevocationList list) => new()
    {
        AuthorityId = list.AuthorityId,
        Der = ByteString.CopyFrom(list.Der.Span),
        ThisUpdate = Timestamp.FromDateTimeOffset(list.ThisUpdate),
        NextUpdate = Timestamp.FromDateTimeOffset(list.NextUpdate),
        Revoked = list.Revoked,
    };
}
