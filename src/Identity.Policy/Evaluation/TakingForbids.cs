namespace Identity.Policy.Evaluation;

/// <summary>Of the forbids of one stream by another name, the first of each mode that takes a request away. Its default has none.</summary>
internal struct TakingForbids : IClauseSink
{
    public PolicyClause? Enforced { get; private set; }

    public PolicyClause? Warning { get; private set; }

    public PolicyClause? Shadow { get; private set; }

    public void Add(PolicyClause clause, Principal principal, CapabilityRequest request)
    {
        // As in Tally: anything that is not clearly softer is enforced.
        var kept = clause.Mode switch { RuleMode.Shadow => Shadow, RuleMode.Warn => Warning, _ => Enforced };
        if (kept is not null && kept.Rank <= clause.Rank) return;
        if (!clause.Subject.MayMean(principal, out _) || !NatsJetStream.TakesAway(clause.Capability, request)) return;
        if (clause.Mode == RuleMode.Shadow) Shadow = clause;
        else if (clause.Mode == RuleMode.Warn) Warning = clause;
        else Enforced = clause;
    }
}
