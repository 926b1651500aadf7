namespace Identity.Policy;

/// <summary>
/// One rule for one subject and one capability, labels expanded: what a policy is made of. A policy says exactly what its clauses say; what a
/// permit may not grant, and rules that are off, have none.
/// </summary>
/// <param name="Expires">Of permits only.</param>
public sealed record PolicyClause(
    RuleReference Rule,
    RuleEffect Effect,
    RuleMode Mode,
    DateTimeOffset? Expires,
    PolicySubject Subject,
    Capability Capability)
{
    /// <summary>The ceilings that its rule states.</summary>
    public StatedCeilings Ceilings { get; init; } = StatedCeilings.None;

    /// <summary>The place of its rule among all rules of the policy, sorted by reference.</summary>
    internal int Rank { get; init; }

    /// <summary>In UTC ticks; the end of time when it does not end.</summary>
    internal long EndsAt => Expires is { } end && Effect == RuleEffect.Permit ? end.UtcTicks : long.MaxValue;

    internal bool IsExpired(DateTimeOffset now) => EndsAt <= now.UtcTicks;
}
