using Identity.Agent.ControlPlane;
using Identity.Agent.Decisions;
using Identity.Policy;
using Spiffe.Net;

namespace Identity.Agent.Admission;

/// <summary>
/// For whom may a token be asked? A component needs a permit for each audience; the audience that logs it in to NATS goes with what it may
/// do there. A process may ask for any, as SPIFFE has it, that no rule forbids it.
/// </summary>
internal sealed class AudienceDoor(AgentOptions options, DecisionLog decisions, TimeProvider time)
{
    // Each refusal is one decision until policy changes, however often a guest asks.
    private readonly RepeatedRefusals _said = new();

    // Apart from them: whoever asks for too many different things gets the last answer, which must be of the same kind.
    private readonly RepeatedRefusals _noted = new();
    private readonly TrustDomain _trustDomain = options.TrustDomain;
    private readonly string _nats = NatsAudience.Of(options.TrustDomain);

    /// <summary>What a component's token is made out for: what it asked for, and where that logs it in to NATS, the admission under which it does.</summary>
    public IReadOnlyList<string> Naming(LiveAdmission admission, IReadOnlyList<string> audiences) =>
        audiences.Contains(_nats, StringComparer.Ordinal) ? [.. audiences, NatsAudience.OfAdmission(_trustDomain, admission.Id)] : audiences;

    /// <summary>Null when the component may have a token for all of them, else the refusal.</summary>
    public V1.Decision? RefuseComponent(ControlPlaneView view, LiveAdmission admission, IEnumerable<string> audiences)
    {
        var principal = admission.PrincipalUnder(view.Policy);
        foreach (var audience in audiences)
        {
            var caller = -1 - admission.Number;
            var isNameable = CapabilityRequest.TryParse("audience", audience, out var request, out var problem);
            if (NatsAudience.TryReadAdmission(audience, _trustDomain, out _))
                (isNameable, problem) = (false, $"{_nats}/admission/… is put into a token by the agent; ask for {_nats}");
            if (!isNameable)
                return Say(view, caller, "unnameable", () => Refusal(view, principal, problem!, "audience", null), admission.Host);
            var decision = PolicyDecision.Decide(view.Policy, principal, request!, time.GetUtcNow());
            if (IsNoted(decision)) Note(view, caller, audience, principal, request!, decision, admission.Host);
            if (decision.Allowed || (audience == _nats && decision.Reason == RefusalReason.NotGranted && LogsIn(view, principal))) continue;
            return Say(view, caller, audience, () => Refusal(view, principal, request!, decision), admission.Host);
        }

        return null;
    }

    /// <summary>Null when no rule forbids the process a token for any of them, else the refusal.</summary>
    public V1.Decision? RefuseProcess(ControlPlaneView view, SpiffeId id, long uid, IEnumerable<string> audiences)
    {
        var principal = Principal.Process(id);
        foreach (var audience in audiences)
        {
            // It would make the process that component, for NATS.
            if (NatsAudience.TryReadAdmission(audience, _trustDomain, out _))
                return Say(view, uid, $"{id}\0admission", () => Refusal(view, principal, $"{_nats}/admission/… is for the component that was admitted", "audience", null), askedBy: null);
            // What policy cannot name, it cannot have forbidden.
            if (!CapabilityRequest.TryParse("audience", audience, out var request, out _)) continue;
            var decision = PolicyDecision.DecideUnlessForbidden(view.Policy, principal, request, time.GetUtcNow());
            if (IsNoted(decision)) Note(view, uid, $"{id}\0{audience}", principal, request, decision, askedBy: null);
            if (decision.Allowed) continue;
            return Say(view, uid, $"{id}\0{audience}", () => Refusal(view, principal, request, decision), askedBy: null);
        }

        return null;
    }

    private V1.Decision Say(ControlPlaneView view, long caller, string question, Func<V1.Decision> make, SpiffeId? askedBy) =>
        _said.Find(view.Policy, caller, question, _ => decisions.Record(make(), askedBy));

    private bool LogsIn(ControlPlaneView view, Principal principal) =>
        NatsPermissions.For(view.Policy, principal, time.GetUtcNow()) is NatsPermissions.Allowed;

    private void Note(
        ControlPlaneView view, long caller, string question, Principal principal, CapabilityRequest request, CapabilityDecision decision, SpiffeId? askedBy) =>
        _noted.Find(view.Policy, caller, question, _ => decisions.Record(Allowance(view, principal, request, decision), askedBy));

    private static bool IsNoted(in CapabilityDecision decision) => decision.Allowed && (decision.Warned || decision.ShadowRule is not null);

    private V1.Decision Refusal(ControlPlaneView view, Principal principal, CapabilityRequest request, in CapabilityDecision decision)
    {
        var why = PolicyDecision.Explain(view.Policy, principal, request, time.GetUtcNow());
        var refusal = why.Refusals.Length > 0 ? why.Refusals[0] : new Refusal(request.ToString(), decision.Reason, "no rule permits it");
        // As at every door: where something was not told, a grant without it would be wider than the rule that asks for it.
        var recorded = Refusal(view, principal, refusal.ToString(), refusal.Capability, refusal.Untold == 0 ? why.SmallestGrant : null);
        recorded.Reasons[0].Rule = (refusal.ForbiddenBy ?? refusal.NearestMiss?.Rule)?.ToString() ?? "";
        AddShadow(recorded, request, decision);
        return recorded;
    }

    private static V1.Decision Refusal(ControlPlaneView view, Principal principal, string why, string capability, string? grant) => new()
    {
        Kind = V1.DecisionKind.WorkloadSvid,
        Subject = principal.Id.ToString(),
        PolicyRevision = view.PolicyRevision,
        ComponentDigest = principal.Digest?.Text ?? "",
        Summary = $"{principal.Id} gets no such token: {why}",
        Reasons = { new V1.Reason { Capability = capability, Explanation = why, SmallestGrant = grant ?? "" } },
    };

    private static V1.Decision Allowance(ControlPlaneView view, Principal principal, CapabilityRequest request, in CapabilityDecision decision)
    {
        var recorded = new V1.Decision
        {
            Kind = V1.DecisionKind.WorkloadSvid,
            Allowed = true,
            Subject = principal.Id.ToString(),
            PolicyRevision = view.PolicyRevision,
            ComponentDigest = principal.Digest?.Text ?? "",
            Summary = $"{principal.Id} gets tokens for {request}",
        };
        if (decision.Warning is { } warning)
            recorded.Warnings.Add(new V1.Reason { Capability = request.ToString(), Rule = warning.ToString(), Explanation = decision.WarningText });
        AddShadow(recorded, request, decision);
        return recorded;
    }

    private static void AddShadow(V1.Decision recorded, CapabilityRequest request, in CapabilityDecision decision)
    {
        if (decision is { ShadowAllowed: { } would, ShadowRule: { } rule })
            recorded.Shadow.Add(new V1.ShadowOutcome { Rule = rule.ToString(), WouldAllow = would, Capability = request.ToString() });
    }
}
