using Google.Protobuf.WellKnownTypes;
using Identity.Policy;
using Identity.V1;
using Spiffe.Net;
using Decision = Identity.V1.Decision;

namespace Identity.Server.NatsAuthCallout;

/// <summary>A judgement in the words of `identity why`.</summary>
internal static class LoginDecision
{
    private const int MaxReasons = 64;
    private const string Hint = "a login does not say which subjects it needs, so the smallest grant names one of its own: put those it needs in its place";

    public static Decision Of(CalloutJudgement.Admitted login, long policyRevision, SpiffeId decidedBy)
    {
        var decision = Start(policyRevision, decidedBy, login.IssuedAt);
        decision.Allowed = true;
        decision.Subject = login.Id.ToString();
        decision.Summary = $"{login.Id} may log in to the NATS account {login.Account} until {login.ExpiresAt:O}";
        foreach (var rule in (login.Grant?.DeterminingRules ?? []).Take(MaxReasons))
            decision.Reasons.Add(new Reason { Capability = "nats", Rule = rule.ToString(), Explanation = "permits its subjects" });
        WithNotes(decision, login.Notes);
        foreach (var untold in UntoldTo(login).Take(MaxReasons - decision.Warnings.Count))
        {
            decision.Warnings.Add(new Reason
            {
                Capability = $"natsSubscribe {untold}",
                Explanation = $"is not told to this nats-server, which could not keep it from what is forbidden or lies deeper; {NatsServerKinds.OlderVersions} cannot",
            });
        }

        return decision;
    }

    public static Decision Of(CalloutJudgement.Refused refused, long policyRevision, SpiffeId decidedBy, DateTimeOffset now)
    {
        var decision = Start(policyRevision, decidedBy, now);
        decision.Subject = refused.Id?.ToString() ?? "";
        decision.Summary = $"a NATS login was refused: {refused.Reason}";
        if (refused.Explanation is not { } explanation) return WithNotes(decision, refused.Notes);

        // As at every door: where something was not told, a grant without it could be wider than the rule that came nearest.
        var grant = explanation.Refusals.All(refusal => refusal.Untold == 0) ? explanation.SmallestGrant : null;
        foreach (var refusal in explanation.Refusals.Take(MaxReasons))
        {
            decision.Reasons.Add(new Reason
            {
                Capability = refusal.Capability,
                Rule = (refusal.ForbiddenBy ?? refusal.NearestMiss?.Rule)?.ToString() ?? "",
                Explanation = grant is null ? refusal.ToString() : $"{refusal}; {Hint}",
                SmallestGrant = grant ?? "",
            });
        }

        return WithNotes(decision, refused.Notes);
    }

    private static IEnumerable<string> UntoldTo(CalloutJudgement.Admitted login) =>
        login.Grant is not { } grant ? [] : grant.Subscribe.Allow.Except(grant.SubscribeOn(login.Request.Server).Allow).Where(text => !text.EndsWith(" >", StringComparison.Ordinal));

    // What a login would have less, or more, were the rules in these modes enforced.
    private static Decision WithNotes(Decision decision, NatsNotes notes)
    {
        decision.Shadow.AddRange(notes.Shadow.Select(outcome => new Identity.V1.ShadowOutcome
        {
            Rule = outcome.Rule.ToString(),
            WouldAllow = outcome.WouldAllow,
            Capability = outcome.Capability,
        }));
        decision.Warnings.AddRange(notes.Warnings.Select(warning => new Reason
        {
            Capability = warning.Capability,
            Rule = warning.Rule.ToString(),
            Explanation = warning.Text,
        }));
        return decision;
    }

    private static Decision Start(long policyRevision, SpiffeId decidedBy, DateTimeOffset now) => new()
    {
        Kind = DecisionKind.NatsLogin,
        PolicyRevision = (ulong)policyRevision,
        DecidedAt = now.ToTimestamp(),
        DecidedBy = decidedBy.ToString(),
    };
}
