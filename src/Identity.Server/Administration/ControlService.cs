using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Identity.Ledger.V1;
using Identity.Server.ComponentPolicy;
using Identity.Server.DecisionPoints;
using Identity.Server.DecisionPoints.Grpc;
using Identity.Server.DecisionPoints.WasmCloudV1;
using Identity.Server.DecisionPoints.WasmCloudV2;
using Identity.Server.Ledger;
using Identity.V1;
using Spiffe.Net;
using Status = Identity.V1.Status;

namespace Identity.Server.Administration;

/// <summary><c>identity.v1.Control</c>: what an operator asks the server about itself.</summary>
internal sealed class ControlService(
    ControlPlaneLedger ledger,
    ComponentPolicy.LiveAdmissions admissions,
    IEnumerable<AllowedWorkloads> workloads,
    ServerStart start,
    TrustDomain trustDomain,
    INatsReport? nats = null,
    HeldAnswers? held = null) : Control.ControlBase
{
    private const int DefaultTransactions = 50;
    private const int MaxTransactions = 1000;

    public override Task<Status> GetStatus(GetStatusRequest request, ServerCallContext context)
    {
        var state = ledger.State;
        return Task.FromResult(new Status
        {
            TrustDomain = trustDomain.Name,
            Revision = state.Revision,
            PolicyRevision = state.PolicyRevision,
            Entries = state.Entries.Count,
            AgentsAttested = state.Agents.Values.Count(agent => !agent.Banned),
            AgentsConnected = admissions.ConnectedAgents,
            LiveAdmissions = admissions.Count,
            NatsConnected = nats is { IsConnected: true },
            NatsProblem = nats is null ? "NATS is not configured" : nats.Problem ?? "",
            X509AuthorityExpiresAt = ActiveUntil(state, AuthorityRecord.Types.Kind.X509Issuing),
            JwtAuthorityExpiresAt = ActiveUntil(state, AuthorityRecord.Types.Kind.Jwt),
            JwtRs256AuthorityExpiresAt = ActiveUntil(state, AuthorityRecord.Types.Kind.JwtRs256),
            StartedAt = Timestamp.FromDateTimeOffset(start.At),
            IssuedCredentials = ledger.Issuances,
        });
    }

    public override Task<NatsConfiguration> GetNatsConfiguration(GetNatsConfigurationRequest request, ServerCallContext context)
    {
        if (nats is null) throw new RpcException(new(StatusCode.FailedPrecondition, "this server has no NATS auth callout"));
        return nats.TryConfigure(request, out var configuration, out var problem)
            ? Task.FromResult(configuration)
            : throw new RpcException(new(StatusCode.InvalidArgument, problem));
    }

    public override async Task<Identity.V1.LedgerVerification> VerifyLedger(VerifyLedgerRequest request, ServerCallContext context) =>
        await Task.Run(() => ledger.Verify(context.CancellationToken), context.CancellationToken) switch
        {
            Ledger.LedgerVerification.Intact intact => new() { Intact = true, Revision = intact.Revision, Issuances = intact.Issuances },
            Ledger.LedgerVerification.Broken broken => new() { Intact = false, Problem = broken.Problem },
            _ => new() { Intact = false, Problem = "no answer" },
        };

    public override async Task ListRunning(ListRunningRequest request, IServerStreamWriter<LiveAdmission> responseStream, ServerCallContext context)
    {
        foreach (var admission in admissions.All().DistinctBy(running => (running.SpiffeId, running.Host, running.Digest, running.Signers)))
            await responseStream.WriteAsync(admission.ToWire(), context.CancellationToken);
    }

    public override async Task ListLetThrough(ListLetThroughRequest request, IServerStreamWriter<LetThrough> responseStream, ServerCallContext context)
    {
        foreach (var door in workloads)
        {
            var seen = door.Look();
            foreach (var alike in seen.Known)
            {
                var message = new LetThrough { Door = door.Door.Text, Proven = door.IsProven, Count = (ulong)alike.Count, Example = alike.First.Text };
                message.Principals.AddRange(alike.Asks.Questions.Select(question => question.Principal).Distinct().Select(PrincipalWire.Write));
                await responseStream.WriteAsync(message, context.CancellationToken);
            }

            if (seen.Unknown > 0)
                await responseStream.WriteAsync(new LetThrough { Door = door.Door.Text, Proven = door.IsProven, Count = (ulong)seen.Unknown, Example = seen.UnknownExample }, context.CancellationToken);
        }

        foreach (var same in (held?.Until(DateTimeOffset.MaxValue) ?? []).GroupBy(one => (one.Claim.Door, one.Claim.Principal)))
        {
            var principal = same.Key.Principal;
            var message = new LetThrough { Door = same.Key.Door, Count = (ulong)same.Sum(one => one.Count), Principals = { PrincipalWire.Write(principal) }, Example = principal.Id.ToString() };
            await responseStream.WriteAsync(message, context.CancellationToken);
        }
    }

    public override Task<ListTransactionsResponse> ListTransactions(ListTransactionsRequest request, ServerCallContext context)
    {
        if (request.Limit is < 0 or > MaxTransactions)
        {
            throw new RpcException(new(StatusCode.InvalidArgument, $"limit is {request.Limit}; expected 0 to {MaxTransactions}"));
        }

        var response = new ListTransactionsResponse();
        response.Transactions.AddRange(ledger
            .ListTransactions(request.Limit == 0 ? DefaultTransactions : request.Limit)
            .Select(numbered => TransactionText.Summarize(numbered.Revision, numbered.Transaction)));
        return Task.FromResult(response);
    }

    private static Timestamp? ActiveUntil(ControlPlaneState state, AuthorityRecord.Types.Kind kind) =>
        state.Authorities.Values
            .FirstOrDefault(authority => authority.Kind == kind && authority.State == AuthorityRecord.Types.State.Active)?.NotAfter;
}
