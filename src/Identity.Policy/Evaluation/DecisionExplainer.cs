using System.Collections.Immutable;

namespace Identity.Policy.Evaluation;

/// <summary>Words the answer to one request.</summary>
internal static class DecisionExplainer
{
    public static Explanation Explain(CapabilityPolicy policy, Principal principal, CapabilityRequest request, DateTimeOffset now)
    {
        var decision = PolicyDecision.Decide(policy, principal, request, now);
        var notes = NotesOf(decision, request);
        var subject = principal.Id.ToString();
        if (decision.Allowed) return new Explanation(subject, [], SmallestGrant: null) { Notes = [$"{request}: rule {decision.Determining} permits it", .. notes] };

        var refusal = RefusalOf(policy, principal, request, decision, now);
        var grant = refusal.Reason == RefusalReason.NotGranted ? SmallestGrant.Of(policy, principal, [request.ToCapability().ToYaml()]) : null;
        return new Explanation(subject, [refusal], grant) { Notes = notes };
    }

    /// <summary>What the door could not tell, for a sentence: "digest and host".</summary>
    public static string NamesOf(PrincipalAttributes attributes)
    {
        var names = new List<string>();
        if ((attributes & PrincipalAttributes.Digest) != 0) names.Add("digest");
        if ((attributes & PrincipalAttributes.Signer) != 0) names.Add("signers");
        if ((attributes & PrincipalAttributes.Image) != 0) names.Add("image");
        if ((attributes & PrincipalAttributes.Host) != 0) names.Add("host");
        if ((attributes & PrincipalAttributes.Namespace) != 0) names.Add("namespace");
        if ((attributes & PrincipalAttributes.Lattice) != 0) names.Add("lattice");
        return string.Join(" and ", names);
    }

    /// <summary>The end of a sentence about a rule: "depends on the caller's digest, which was not told".</summary>
    public static string DependsOn(PrincipalAttributes untold, Principal principal) =>
        (untold & principal.Unknown & PrincipalAttributes.Signer) != 0 && principal.SignatureNote is { } note
            ? $"depends on the caller's {NamesOf(untold)}, and it {note}"
            : $"depends on the caller's {NamesOf(untold)}, which {WasOrWere(untold)} not told";

    public static string WasOrWere(PrincipalAttributes attributes) =>
        System.Numerics.BitOperations.PopCount((uint)attributes) == 1 && attributes != PrincipalAttributes.Signer ? "was" : "were";

    /// <summary>A refusal in words; with the nearest rule when no rule permits it.</summary>
    public static Refusal RefusalOf(CapabilityPolicy policy, Principal principal, CapabilityRequest request, in CapabilityDecision decision, DateTimeOffset now)
    {
        var asked = request.ToString();
        switch (decision.Reason)
        {
            case RefusalReason.PolicyUnreadable:
                return new Refusal(asked, RefusalReason.PolicyUnreadable, policy.Unreadable ?? "policy cannot be read");
            case RefusalReason.Forbidden:
                var unsure = decision.Untold == 0 ? "" : $"; whether it means this caller {DependsOn(decision.Untold, principal).Replace("the caller's", "its", StringComparison.Ordinal)}";
                return new Refusal(asked, RefusalReason.Forbidden, $"rule {decision.Determining} forbids it{unsure}", decision.Determining) { Untold = decision.Untold };
            default:
                if (request.ToCapability().WhyNotGrantable() is { } problem) return new Refusal(asked, RefusalReason.NotGrantable, problem);
                var miss = NearestMissFinder.For(policy, principal, request, now, out var untold);
                return new Refusal(asked, RefusalReason.NotGranted, "no rule permits it", NearestMiss: miss) { Untold = untold };
        }
    }

    private static ImmutableArray<string> NotesOf(in CapabilityDecision decision, CapabilityRequest request)
    {
        var notes = ImmutableArray.CreateBuilder<string>();
        if (decision.Warned) notes.Add($"{request}: warning, rule {decision.Warning} {decision.WarningText}");
        if (decision.ShadowAllowed is { } shadow) notes.Add($"{request}: rule {decision.ShadowRule} would {(shadow ? "permit" : "forbid")} it if it were enforced; it is in mode shadow");
        return notes.DrainToImmutable();
    }
}
