using Identity.Policy;
using Identity.V1;
using Decision = Identity.V1.Decision;
using Principal = Identity.Policy.Principal;
using ShadowOutcome = Identity.V1.ShadowOutcome;

namespace Identity.Server.DecisionPoints;

/// <summary>An answer in the words of <c>identity why</c>.</summary>
internal static class AnswerText
{
    private const int MaxReasons = 64;

    /// <summary>One sentence: what is allowed, or the first thing that is not.</summary>
    public static string Reason(IReadOnlyList<Verdict> verdicts, int denied)
    {
        if (denied == 0) return verdicts.Count == 1 ? verdicts[0].Text : $"each of {verdicts.Count} capabilities is permitted";
        var first = verdicts.First(verdict => !verdict.Decision.Allowed);
        return denied == 1 ? first.Text : $"{first.Text} (and {denied - 1} more)";
    }

    /// <param name="verdicts">Each denial with its explanation.</param>
    public static string? SmallestGrant(CapabilityPolicy policy, IReadOnlyList<Verdict> verdicts)
    {
        var denied = verdicts.Where(verdict => !verdict.Decision.Allowed).ToList();
        if (!denied.TrueForAll(verdict => verdict.SmallestGrant is not null)) return null;
        return denied is [var one] ? one.SmallestGrant : PolicyDecision.SmallestGrant(policy, denied.Select(verdict => (verdict.Principal, verdict.Request)));
    }

    public static V1.Decision ToDecision(Answer answer, ulong policyRevision)
    {
        var ids = answer.Verdicts.Select(verdict => verdict.Principal.Id).Distinct().Take(9).ToList();
        var subject = ids.Count > 8 ? $"{ids[0]} and others" : string.Join(", ", ids);
        var decision = new V1.Decision
        {
            Allowed = answer.Allowed,
            Subject = subject,
            Summary = answer.Allowed
                ? $"{subject} may have {(answer.Verdicts is [var one] ? one.Request.ToString() : $"all {answer.Verdicts.Length} capabilities that were asked for")}"
                : $"{subject} is denied: {answer.Reason}",
            PolicyRevision = policyRevision,
            ComponentDigest = answer.Verdicts.Select(verdict => DigestOf(verdict.Principal)).Distinct().ToList() is [{ } digest] ? digest : "",
        };
        foreach (var verdict in (answer.Allowed ? answer.Verdicts : answer.Denied).Take(MaxReasons))
        {
            decision.Reasons.Add(new Reason
            {
                Capability = verdict.Request.ToString(),
                Principal = Whom(verdict),
                Rule = verdict.Rule,
                Explanation = verdict.Text,
                // The same for each: one of several grants would leave the answer a no.
                SmallestGrant = answer.SmallestGrant ?? "",
            });
        }

        foreach (var verdict in answer.Verdicts)
        {
            var (decided, about) = (verdict.Decision, verdict.Request.ToString());
            if (decided is { ShadowAllowed: { } would, ShadowRule: { } shadow } && decision.Shadow.Count < MaxReasons)
                decision.Shadow.Add(new V1.ShadowOutcome { Rule = shadow.ToString(), WouldAllow = would, Capability = about, Principal = Whom(verdict) });
            if (decided is { Warned: true, Warning: { } warning } && decision.Warnings.Count < MaxReasons)
                decision.Warnings.Add(new Reason { Capability = about, Principal = Whom(verdict), Rule = warning.ToString(), Explanation = decided.WarningText ?? "" });
            if (verdict.RefusedOnNats is { } refused && decision.Warnings.Count < MaxReasons)
                decision.Warnings.Add(new Reason { Capability = about, Principal = Whom(verdict), Explanation = refused });
        }

        return decision;

        // The subject tells of one.
        string Whom(Verdict verdict) => ids.Count > 1 ? verdict.Principal.Id.ToString() : "";
    }

    private static string? DigestOf(Principal principal) => principal.Unknown.HasFlag(PrincipalAttributes.Digest) ? null : principal.Digest?.Text;
}
