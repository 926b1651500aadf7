using System.Net;
using System.Text;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Identity.Server.Endpoints;
using Identity.Server.Ledger;
using Identity.Server.Registration;
using Spiffe.Net;
using Spire.Api.Server.Agent.V1;
using Types = Spire.Api.Types;

namespace Identity.Server.NodeAttestation;

/// <summary><c>spire.api.server.agent.v1.Agent</c>. PostStatus is not served.</summary>
internal sealed class AgentService(
    ControlPlaneLedger ledger, AgentEnrollment enrollment, AgentRegistry registry, AttestationThrottle throttle, TrustDomain trustDomain, TimeProvider time)
    : Agent.AgentBase
{
    // A stranger may hold a call open for this long without saying what it wants.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    public override async Task AttestAgent(
        IAsyncStreamReader<AttestAgentRequest> requests, IServerStreamWriter<AttestAgentResponse> responses, ServerCallContext context)
    {
        if (!throttle.TryEnter(RemoteAddress(context)))
        {
            throw new RpcException(new Status(StatusCode.ResourceExhausted, "too many attestations from this address; try again in a second"));
        }

        var parameters = await ReadParametersAsync(requests, context.CancellationToken);
        var attestation = await enrollment.AttestAsync(
            parameters.Data?.Type ?? "",
            parameters.Data?.Payload.Memory ?? default,
            parameters.Params_?.Csr.Memory ?? default,
            context.CancellationToken);
        var svid = SvidOrThrow(attestation);

        // A join token asks no challenge and is good once: one answer, and no second attestation.
        await responses.WriteAsync(
            new AttestAgentResponse { Result = new() { Svid = AgentWire.From(svid), Reattestable = false } }, context.CancellationToken);
    }

    public override async Task<RenewAgentResponse> RenewAgent(RenewAgentRequest request, ServerCallContext context)
    {
        if (Caller.Of(context) is not Caller.Agent agent)
        {
            throw PermissionDeniedStatus.From("only an attested agent can renew itself", Types.PermissionDeniedDetails.Types.Reason.AgentNotAttested);
        }

        var csr = request.Params?.Csr.Memory ?? default;
        return new RenewAgentResponse
        {
            Svid = AgentWire.From(SvidOrThrow(await enrollment.RenewAsync(agent.Id, agent.Serial, csr, context.CancellationToken))),
        };
    }

    public override async Task<Types.JoinToken> CreateJoinToken(CreateJoinTokenRequest request, ServerCallContext context)
    {
        var ttl = TimeSpan.FromSeconds(request.Ttl);
        if (ttl <= TimeSpan.Zero || ttl > AgentRegistry.MaxTokenTtl)
        {
            throw Invalid($"ttl is {request.Ttl} seconds; expected 1 to {AgentRegistry.MaxTokenTtl.TotalSeconds}");
        }

        var token = request.Token.Length == 0 ? JoinTokenText.Create() : ParseToken(request.Token);
        var alias = request.AgentId is null ? null : ParseId(request.AgentId, "agent_id");
        var expiresAt = await registry.CreateJoinTokenAsync(token, ttl, alias, Caller.Of(context).Author, context.CancellationToken);
        return new Types.JoinToken { Value = token.Value, ExpiresAt = expiresAt.ToUnixTimeSeconds() };
    }

    public override Task<CountAgentsResponse> CountAgents(CountAgentsRequest request, ServerCallContext context) =>
        Task.FromResult(new CountAgentsResponse { Count = ledger.State.Agents.Values.Count(AgentFilter.From(request.Filter).Matches) });

    public override Task<ListAgentsResponse> ListAgents(ListAgentsRequest request, ServerCallContext context)
    {
        var (agents, next) = Page.Of(
            ledger.State.Agents.Values.Where(AgentFilter.From(request.Filter).Matches), agent => agent.SpiffeId, request.PageSize, request.PageToken);
        var response = new ListAgentsResponse { NextPageToken = next };
        response.Agents.AddRange(agents.Select(agent => AgentWire.From(agent, request.OutputMask)));
        return Task.FromResult(response);
    }

    public override Task<Types.Agent> GetAgent(GetAgentRequest request, ServerCallContext context) =>
        Task.FromResult(AgentWire.From(AgentRegistry.Find(ledger.State, ParseId(request.Id, "id")), request.OutputMask));

    public override async Task<Empty> BanAgent(BanAgentRequest request, ServerCallContext context)
    {
        await registry.BanAsync(ParseId(request.Id, "id"), Caller.Of(context).Author, context.CancellationToken);
        return new Empty();
    }

    public override async Task<Empty> DeleteAgent(DeleteAgentRequest request, ServerCallContext context)
    {
        await registry.DeleteAsync(ParseId(request.Id, "id"), Caller.Of(context).Author, context.CancellationToken);
        return new Empty();
    }

    private async Task<AttestAgentRequest.Types.Params> ReadParametersAsync(
        IAsyncStreamReader<AttestAgentRequest> requests, CancellationToken cancellation)
    {
        using var patience = new CancellationTokenSource(Patience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancellation);
        try
        {
            return await requests.MoveNext(either.Token) && requests.Current.StepCase == AttestAgentRequest.StepOneofCase.Params
                ? requests.Current.Params
                : throw Invalid("expected params as the first message");
        }
        catch (Exception e) when (e is OperationCanceledException or RpcException { StatusCode: StatusCode.Cancelled } && patience.IsCancellationRequested)
        {
            throw new RpcException(new Status(StatusCode.DeadlineExceeded, $"no params came within {Patience.TotalSeconds} seconds"));
        }
    }

    private SpiffeId ParseId(Types.SPIFFEID? wire, string name) =>
        WireSpiffeId.TryParse(wire, name, trustDomain, out var id, out var problem) ? id : throw Invalid(problem);

    private static JoinTokenText ParseToken(string text) =>
        JoinTokenText.TryParse(Encoding.UTF8.GetBytes(text), out var token, out var problem) ? token : throw Invalid(problem);

    private static AgentSvid SvidOrThrow(Attestation attestation) => attestation switch
    {
        Attestation.Attested attested => attested.Svid,
        Attestation.Refused { Reason: { } reason } refused => throw PermissionDeniedStatus.From(refused.Problem, reason),
        Attestation.Refused refused => throw new RpcException(new Status(refused.Code, refused.Problem)),
        _ => throw new RpcException(new Status(StatusCode.PermissionDenied, "no answer")),
    };

    private static IPAddress? RemoteAddress(ServerCallContext context) => context.GetHttpContext().Connection.RemoteIpAddress;

    private static RpcException Invalid(string problem) => new(new Status(StatusCode.InvalidArgument, problem));
}
