using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Identity.Server.ComponentPolicy;
using Identity.Server.Ledger;
using Identity.V1;
using Spiffe.Net;
using Reason = Spire.Api.Types.PermissionDeniedDetails.Types.Reason;

namespace Identity.Server.NodeAttestation;

/// <summary>
/// Refuses nodes that are banned, deleted or expired, each time under a decision that <c>identity why</c> explains: the agent passes its ID on to the workloads
/// that lose their identities with it, whose own refusals no server hears of any more.
/// </summary>
internal sealed class NodeRefusals(DecisionLog decisions, ControlPlaneLedger ledger, TimeProvider time)
{
    /// <summary>The trailer that carries the decision's ID to our agent; SPIRE's reads the reason only.</summary>
    public const string Trailer = "identity-decision-id";

    // Each is somebody whose SVID was verified; the one after that many is told the same under another ID.
    private const int MaxKept = 10_000;

    private readonly Lock _gate = new();
    private readonly Dictionary<(SpiffeId Node, string Serial, Reason Reason), string> _known = [];

    /// <summary>The same node for the same cause is the same decision, however often it asks, for as long as the decision is kept.</summary>
    /// <param name="serial">Of the SVID it showed: a node that attested again since, and is refused again, is refused for a new cause.</param>
    /// <param name="problem">A sentence that says why, naming the node.</param>
    /// <param name="call">What it asked for, when that is not what the sentence is about.</param>
    public RpcException Refuse(SpiffeId node, string serial, string problem, Reason reason, string call = "")
    {
        var id = Find(node, serial, problem, reason);
        var refusal = PermissionDeniedStatus.From($"{call}{(call.Length > 0 ? ": " : "")}{problem} (decision {id})", reason);
        refusal.Trailers.Add(Trailer, id);
        return refusal;
    }

    private string Find(SpiffeId node, string serial, string problem, Reason reason)
    {
        var cause = (node, serial, reason);
        lock (_gate)
        {
            if (_known.TryGetValue(cause, out var known) && decisions.TryGet(known) is not null) return known;
            if (_known.Count >= MaxKept) _known.Clear();
            return _known[cause] = decisions.Record(new Decision
            {
                Kind = DecisionKind.NodeAttestation,
                Subject = node.ToString(),
                Summary = problem,
                DecidedAt = Timestamp.FromDateTimeOffset(time.GetUtcNow()),
                PolicyRevision = ledger.State.PolicyRevision,
                Reasons = { new V1.Reason { Capability = "SVIDs and policy for this node and all that runs on it", Explanation = Mend(node, reason) } },
            });
        }
    }

    private static string Mend(SpiffeId node, Reason reason) => reason switch
    {
        Reason.AgentBanned => $"an administrator banned it; `identity agent delete {node}` and a new join token let it attest anew",
        Reason.AgentNotActive => "whoever calls holds an older SVID of this agent: two agents with one identity, or one that was restored from a copy; restart it with a new join token",
        Reason.AgentExpired => "it did not renew its SVID in time; restart its agent with a new join token",
        _ => "an administrator deleted it, or it never attested here; restart its agent with a new join token",
    };
}
