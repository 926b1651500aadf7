using Grpc.Core;
using Identity.Agent.Decisions;

namespace Identity.Agent.Broker;

/// <summary>Why? For a host, about what it asked itself; the server answers for everything.</summary>
internal sealed class ExplainService(BrokerCallers callers, DecisionLog decisions) : V1.Explain.ExplainBase
{
    private const int DefaultLimit = 50;
    private const int MaxLimit = 1000;

    public override Task<V1.Decision> GetDecision(V1.GetDecisionRequest request, ServerCallContext context)
    {
        var caller = callers.Of(context);
        if (!DecisionLog.IsWellFormed(request.Id))
            throw new RpcException(new Status(StatusCode.InvalidArgument, "a decision ID is 'd-' and 26 characters of a-z and 2-7"));
        return Task.FromResult(decisions.Find(request.Id, caller.Id)
            ?? throw new RpcException(new Status(StatusCode.NotFound, $"no decision {request.Id} of this host is known here; `identity why` asks the server")));
    }

    public override Task<V1.ListDecisionsResponse> ListDecisions(V1.ListDecisionsRequest request, ServerCallContext context)
    {
        var caller = callers.Of(context);
        if (request.Limit is < 0 or > MaxLimit) throw new RpcException(new Status(StatusCode.InvalidArgument, $"limit is {request.Limit}; expected 0 to {MaxLimit}"));
        var limit = request.Limit == 0 ? DefaultLimit : request.Limit;
        return Task.FromResult(new V1.ListDecisionsResponse { Decisions = { decisions.Newest(limit, request.DeniedOnly, caller.Id) } });
    }
}
