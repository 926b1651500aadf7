using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Identity.Ledger.V1;
using Identity.Server.Administration;
using Identity.Server.ComponentPolicy;
using Identity.Server.Ledger;
using Identity.V1;
using Spiffe.Net;
using Reason = Spire.Api.Types.PermissionDeniedDetails.Types.Reason;

namespace Identity.Server.NodeAttestation;

/// <summary>Makes agents of nodes that show a join token, and gives agents their next SVID.</summary>
internal sealed class AgentEnrollment(
    ControlPlaneLedger ledger, AgentSvidSigner signer, DecisionLog decisions, TrustDomain trustDomain, TimeProvider time)
{
    public const string JoinToken = "join_token";

    /// <summary>
    /// Signs first and consumes after: the token is gone and the agent known in the same transaction, and only whoever made that
    /// transaction hands out its SVID. A loser's SVID is recorded as issued and thrown away.
    /// </summary>
    public async Task<Attestation> AttestAsync(string type, ReadOnlyMemory<byte> evidence, ReadOnlyMemory<byte> csr, CancellationToken cancellation)
    {
        if (type != JoinToken)
        {
            return new Attestation.Refused(StatusCode.InvalidArgument, $"this server attests nodes by {JoinToken} only");
        }

        if (!JoinTokenText.TryParse(evidence.Span, out var token, out var problem))
        {
            return new Attestation.Refused(StatusCode.InvalidArgument, problem);
        }

        var id = token.AgentId(trustDomain);
        if (FindProblem(ledger.State, token, id) is { } early) return Recorded(early, id);
        var (svid, unfit) = await signer.SignAsync(id, csr, cancellation);
        if (svid is null) return new Attestation.Refused(StatusCode.InvalidArgument, unfit);

        var (late, _) = await ledger.ChangeAsync<Attestation.Refused?>(
            id.ToString(),
            state => FindProblem(state, token, id) is { } refused
                ? new(refused, [], "")
                : new(null, [new Change { JoinTokenConsumed = ByteString.CopyFrom(token.Hash) }, new Change { AgentSet = NewAgent(svid) }], "attest agent"),
            cancellation);
        return late is null ? new Attestation.Attested(svid) : Recorded(late, id);
    }

    /// <param name="serial">Of the SVID the agent called with.</param>
    public async Task<Attestation> RenewAsync(SpiffeId id, string serial, ReadOnlyMemory<byte> csr, CancellationToken cancellation)
    {
        if (FindProblem(ledger.State, id) is { } early) return early;
        var (svid, unfit) = await signer.SignAsync(id, csr, cancellation);
        if (svid is null) return new Attestation.Refused(StatusCode.InvalidArgument, unfit);

        // A ban or a deletion that comes while we sign wins: the check is repeated in the step that makes the new serial known.
        var (late, _) = await ledger.ChangeAsync<Attestation.Refused?>(
            id.ToString(),
            state => FindProblem(state, id) is { } refused
                ? new(refused, [], "")
                : new(null, [new Change { AgentSet = Renewed(state.Agents[id.ToString()], serial, svid) }], "renew agent"),
            cancellation);
        return late is null ? new Attestation.Attested(svid) : late;
    }

    private Attestation.Refused? FindProblem(ControlPlaneState state, JoinTokenText token, SpiffeId id)
    {
        if (state.Agents.GetValueOrDefault(id.ToString()) is { Banned: true }) return Banned(id);
        if (!state.JoinTokens.TryGetValue(token.HashHex, out var known))
        {
            return new(StatusCode.InvalidArgument, "the join token does not exist or has already been used; create another with `identity token create`");
        }

        var expiresAt = known.ExpiresAt.ToDateTimeOffset();
        return expiresAt <= time.GetUtcNow()
            ? new(StatusCode.InvalidArgument, $"the join token expired at {expiresAt:u}; create another with `identity token create`")
            : null;
    }

    private static Attestation.Refused? FindProblem(ControlPlaneState state, SpiffeId id) => state.Agents.GetValueOrDefault(id.ToString()) switch
    {
        null => new(StatusCode.PermissionDenied, $"{id} is not attested; attest again with a new join token", Reason.AgentNotAttested),
        { Banned: true } => Banned(id),
        _ => null,
    };

    private static Attestation.Refused Banned(SpiffeId id) =>
        new(StatusCode.PermissionDenied, $"{id} is banned; an operator can delete the agent to let the node attest anew", Reason.AgentBanned);

    private Attestation.Refused Recorded(Attestation.Refused refused, SpiffeId id)
    {
        var decision = decisions.Record(new Decision
        {
            Kind = DecisionKind.NodeAttestation,
            Subject = id.ToString(),
            Summary = $"Node attestation refused: {refused.Problem}",
            PolicyRevision = ledger.State.PolicyRevision,
            DecidedAt = Timestamp.FromDateTimeOffset(time.GetUtcNow()),
        }, isProven: false); // whoever fails to attest has named this ID and proven nothing
        return refused with { Problem = $"{refused.Problem} (decision {decision})" };
    }

    private AgentRecord NewAgent(AgentSvid svid) => new()
    {
        SpiffeId = svid.Id.ToString(),
        AttestationType = JoinToken,
        Serial = svid.Serial,
        SvidExpiresAt = Timestamp.FromDateTimeOffset(svid.ExpiresAt),
        AttestedAt = Timestamp.FromDateTimeOffset(time.GetUtcNow()),
    };

    private static AgentRecord Renewed(AgentRecord known, string serial, AgentSvid svid)
    {
        var renewed = known.Clone();
        renewed.PreviousSerial = serial;
        renewed.Serial = svid.Serial;
        renewed.SvidExpiresAt = Timestamp.FromDateTimeOffset(svid.ExpiresAt);
        return renewed;
    }
}
