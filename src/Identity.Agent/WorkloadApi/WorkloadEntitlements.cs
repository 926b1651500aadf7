using System.Collections.Concurrent;
using Grpc.Core;
using Identity.Agent.ControlPlane;
using Identity.Agent.Decisions;
using Identity.Agent.NodeEnrollment;
using Identity.Agent.WorkloadAttestation;

namespace Identity.Agent.WorkloadApi;

/// <summary>What the calling process is entitled to, at this moment.</summary>
internal sealed record Entitlement(ControlPlaneView View, IReadOnlyList<AuthorizedEntry> Entries);

/// <summary>Decides which identities a process has. No entry means none, and the refusal says what was nearest.</summary>
internal sealed class WorkloadEntitlements(
    WorkloadAttestor attestor, ViewHolder views, NodeIdentity identity, DecisionLog decisions, TimeProvider time)
{
    private const int MaxRemembered = 1000;

    // Clients without an identity ask again and again; the same question on the same view is the same decision.
    private readonly ConcurrentDictionary<string, (ControlPlaneView View, V1.Decision Decision)> _denied = new(StringComparer.Ordinal);

    /// <summary>Throws PermissionDenied with a decision ID, or Unavailable before the server has told anything.</summary>
    public async ValueTask<Entitlement> DemandAsync(PeerConnection peer, CancellationToken cancellation)
    {
        var view = CurrentView();
        switch (await attestor.AttestAsync(peer, view.Entries.WantsExecutableHash, cancellation))
        {
            case PeerAttestation.Attested attested:
                var entries = view.Entries.Matching(attested.Selectors, time.GetUtcNow());
                return entries.Count > 0 ? new Entitlement(view, entries) : throw Denied(Deny(view, attested.Selectors));
            case PeerAttestation.Refused refused:
                throw Denied(decisions.Record(Denial(view, refused.Reason)));
            default:
                throw new RpcException(new Status(StatusCode.PermissionDenied, "no identity issued"));
        }
    }

    /// <summary>That the caller is a living process; for what gives no identity away.</summary>
    public ControlPlaneView CurrentView() =>
        views.Current ?? throw new RpcException(new Status(StatusCode.Unavailable, "the agent has not heard from its server yet; retry"));

    public RpcException DenyNamed(ControlPlaneView view, string spiffeId)
    {
        var decision = Denial(view, $"the calling process is not entitled to {spiffeId}");
        decision.Subject = spiffeId;
        return Denied(decisions.Record(decision));
    }

    private static RpcException Denied(V1.Decision decision) =>
        new(new Status(StatusCode.PermissionDenied, $"no identity issued: {decision.Summary} (decision {decision.Id})"));

    private V1.Decision Deny(ControlPlaneView view, IReadOnlySet<string> selectors)
    {
        var shown = string.Join(", ", selectors.Order(StringComparer.Ordinal));
        if (_denied.TryGetValue(shown, out var before) && ReferenceEquals(before.View, view)) return before.Decision;

        var decision = Denial(view, $"no registration entry fits this process ({shown})");
        var candidates = view.Entries.All.Where(e => !e.IsForComponent);
        var nearest = EntryIndex.FindNearest(candidates, selectors);
        var asked = selectors.Where(s => s.StartsWith("unix:uid:", StringComparison.Ordinal) || s.StartsWith("unix:path:", StringComparison.Ordinal)).Order(StringComparer.Ordinal);
        decision.Reasons.Add(new V1.Reason
        {
            Capability = "an X509-SVID or JWT-SVID",
            Rule = nearest?.Entry.Id ?? "",
            Explanation = nearest switch
            {
                null => "this node has no registration entry for a process",
                { Missing.IsEmpty: true } => $"the entry of {nearest.Entry.SpiffeId} has expired",
                _ => $"the nearest entry is that of {nearest.Entry.SpiffeId}, which also asks for {string.Join(", ", nearest.Missing)}",
            },
            SmallestGrant = EntryText.Of(
                $"spiffe://{identity.Current.Id.TrustDomain}/workloads/NAME", nearest?.Entry.Parent.ToString() ?? identity.Current.Id.ToString(), asked),
        });
        decisions.Record(decision);
        if (_denied.Count >= MaxRemembered) _denied.Clear();
        _denied[shown] = (view, decision);
        return decision;
    }

    private static V1.Decision Denial(ControlPlaneView view, string summary) =>
        new() { Kind = V1.DecisionKind.WorkloadSvid, Allowed = false, Summary = summary, PolicyRevision = view.PolicyRevision };
}
