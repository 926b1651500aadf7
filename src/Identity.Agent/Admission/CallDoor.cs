using System.Collections.Immutable;
using Identity.Policy;

namespace Identity.Agent.Admission;

/// <summary>
/// The start of a component by a host that will call it: policy must grant both, and a refusal names all that is missing at once. A
/// component may have exports that nobody is granted; tool chains leave some behind.
/// </summary>
internal static class CallDoor
{
    /// <param name="called">What the host would call; null when it calls nothing that the component has.</param>
    public static Policy.Decision Decide(CapabilityPolicy policy, ComponentStart start, CapabilityRequest.Export? called, DateTimeOffset now)
    {
        var decision = ComponentAdmission.Decide(policy, start, now);
        if (called is null) return decision;
        var call = PolicyDecision.Decide(policy, start.Principal, called, now);
        return decision switch
        {
            Policy.Decision.Admitted admitted when call.Allowed => admitted with
            {
                ValidUntil = Earlier(admitted.ValidUntil, call.ValidUntil),
                Warnings = With(admitted.Warnings, called, call),
                Shadow = With(admitted.Shadow, called, call),
                ShadowDenied = admitted.ShadowDenied || call.ShadowAllowed == false,
            },
            Policy.Decision.Admitted admitted => new Policy.Decision.Denied(PolicyDecision.Explain(policy, start.Principal, called, now)) { Shadow = With(admitted.Shadow, called, call) },
            Policy.Decision.Denied denied when call.Allowed || denied.Refusals is [{ Reason: RefusalReason.PolicyUnreadable }] => denied with { Shadow = With(denied.Shadow, called, call) },
            Policy.Decision.Denied denied => denied with
            {
                Explanation = Both(denied.Explanation, PolicyDecision.Explain(policy, start.Principal, called, now), called),
                Shadow = With(denied.Shadow, called, call),
            },
            _ => decision,
        };
    }

    private static Explanation Both(Explanation start, Explanation call, CapabilityRequest.Export called) => start with
    {
        Refusals = [.. start.Refusals, .. call.Refusals],
        // A grant ends with its capabilities, one a line; the two differ in nothing else. Where one cannot be granted, neither helps.
        SmallestGrant = start.SmallestGrant is null || call.SmallestGrant is null ? null : $"{start.SmallestGrant}      - {called.ToCapability().ToYaml()}\n",
    };

    // What a rule has said already of an export, it says of the call, too.
    private static ImmutableArray<RuleWarning> With(ImmutableArray<RuleWarning> warnings, CapabilityRequest.Export called, CapabilityDecision call)
    {
        if (call.Warning is not { } rule) return warnings;
        var warning = new RuleWarning(called.ToString(), rule) { IsPermit = rule == call.Determining };
        return warnings.Any(said => IsExport(said.Capability) && said.Rule == rule && said.IsPermit == warning.IsPermit) ? warnings : warnings.Add(warning);
    }

    private static ImmutableArray<ShadowOutcome> With(ImmutableArray<ShadowOutcome> shadow, CapabilityRequest.Export called, CapabilityDecision call)
    {
        if (call is not { ShadowRule: { } rule, ShadowAllowed: { } would }) return shadow;
        return shadow.Any(said => IsExport(said.Capability) && said.Rule == rule && said.WouldAllow == would) ? shadow : shadow.Add(new ShadowOutcome(called.ToString(), rule, would));
    }

    private static bool IsExport(string capability) => capability.StartsWith("export ", StringComparison.Ordinal);

    private static DateTimeOffset? Earlier(DateTimeOffset? one, DateTimeOffset? other) => one is null || other < one ? other ?? one : one;
}
