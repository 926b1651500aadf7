namespace Identity.Policy.Evaluation;

/// <summary>A rule with its place among all rules of the policy, sorted by reference: equal policies rank equally, whatever their order.</summary>
internal sealed record RankedRule(int Rank, RuleReference Reference, PolicyRule Rule);

/// <summary>One rule for one of its subjects.</summary>
internal sealed record Clause(RankedRule Ranked, PolicySubject Subject)
{
    public PolicyRule Rule => Ranked.Rule;

    /// <summary>True when its subject means the principal: a permit's only surely, a forbid's also when something it depends on is unknown.</summary>
    public bool Means(Principal principal) =>
        Subject.MayMean(principal, out var untold) && (untold == 0 || Rule.Effect != RuleEffect.Permit);
}
