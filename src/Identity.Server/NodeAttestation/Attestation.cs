using Grpc.Core;
using static Spire.Api.Types.PermissionDeniedDetails.Types;

namespace Identity.Server.NodeAttestation;

/// <summary>What became of a node that asked to be an agent, or to stay one.</summary>
internal abstract record Attestation
{
    private Attestation()
    {
    }

    public sealed record Attested(AgentSvid Svid) : Attestation;

    /// <param name="Reason">Null when the answer is not about permission; agents act on the others (SPIRE: re-attest or shut down).</param>
    public sealed record Refused(StatusCode Code, string Problem, Reason? Reason = null) : Attestation;
}
