namespace Identity.Policy.Evaluation;

/// <summary>What the rules about one caller say on NATS at one moment: those in force that mean it, a forbid also when it only may.</summary>
internal readonly struct Evaluator
{
    public Evaluator(CapabilityPolicy policy, Principal principal, DateTimeOffset now)
    {
        (Policy, Principal, Now) = (policy, principal, now);
        NatsClauses = policy.ClauseIndex.NatsClausesAbout(principal);
        NatsClauses.RemoveAll(clause => !IsInForce(clause, principal, now));
    }

    public CapabilityPolicy Policy { get; }

    public Principal Principal { get; }

    public DateTimeOffset Now { get; }

    public List<PolicyClause> NatsClauses { get; }

    private static bool IsInForce(PolicyClause clause, Principal principal, DateTimeOffset now)
    {
        var permits = clause.Effect == RuleEffect.Permit;
        return clause.Mode != RuleMode.Shadow && (permits || clause.Mode != RuleMode.Warn) && !clause.IsExpired(now)
            && clause.Subject.MayMean(principal, out var untold) && (untold == 0 || !permits);
    }
}
