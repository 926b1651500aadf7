namespace Identity.Policy.Evaluation;

/// <summary>A rule with its place among all rules of the policy, sorted by reference: equal policies rank equally, whatever their order.</summary>
internal sealed record RankedRule(int Rank, RuleReference Reference, PolicyRule Rule);

/// <summary>One rule for one of its subjects.</summary>
internal sealed record Clause(RankedRule Ranked, PolicySubject Subject)
{
    public PolicyRule Rule => Ranked.Rule;

    public bool Means(in Caller caller) =>
        (Subject.SpiffeId is null || Subject.SpiffeId == caller.Id)
        && (Subject.Digest is null || Subject.Digest == caller.Digest)
        && (Subject.SpiffeIdPrefix is null || Subject.SpiffeIdPrefix.Covers(caller.Id))
        && (Subject.Host is null || Subject.Host == caller.Host)
        && (Subject.HostPrefix is null || (caller.Host is not null && Subject.HostPrefix.Covers(caller.Host)));
}
