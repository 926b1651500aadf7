using Grpc.Core;
using Identity.Server.Registration;
using Identity.V1;
using Status = Grpc.Core.Status;

namespace Identity.Server.ComponentPolicy;

/// <summary><c>identity.v1.Explain</c>: why was that?</summary>
internal sealed class ExplainService(DecisionLog decisions) : Explain.ExplainBase
{
    private const int DefaultLimit = 50;
    private const int MaxLimit = 1000;

    public override Task<Decision> GetDecision(GetDecisionRequest request, ServerCallContext context)
    {
        if (!DecisionId.IsWellFormed(request.Id))
        {
            throw new RpcException(new Status(
                StatusCode.InvalidArgument, $"{Quote.From(request.Id)} is not a decision id; expected d- and 26 of a-z and 2-7"));
        }

        return decisions.TryGet(request.Id) is { } decision
            ? Task.FromResult(decision)
            : throw new RpcException(new Status(
                StatusCode.NotFound, $"the decision {request.Id} is not known here; only the newest {DecisionLog.MaxCount} are kept, and those of an agent that is away are told when it is back (until then they are in its own log)"));
    }

    public override Task<ListDecisionsResponse> ListDecisions(ListDecisionsRequest request, ServerCallContext context)
    {
        if (request.Limit is < 0 or > MaxLimit)
        {
            throw new RpcException(new Status(StatusCode.InvalidArgument, $"limit is {request.Limit}; expected 0 to {MaxLimit}"));
        }

        var response = new ListDecisionsResponse();
        response.Decisions.AddRange(decisions.List(request.Limit == 0 ? DefaultLimit : request.Limit, request.DeniedOnly));
        return Task.FromResult(response);
    }
}
