namespace Identity.Policy;

/// <summary>The answer to one request. Its default says no.</summary>
public readonly record struct CapabilityDecision
{
    public bool Allowed { get; init; }

    /// <summary>The permit or forbid that decides; null when no rule permits it. Of several, the first by reference.</summary>
    public RuleReference? Determining { get; init; }

    /// <summary>Why not; says nothing when allowed.</summary>
    public RefusalReason Reason { get; init; }

    /// <summary>What the deciding forbid depends on and the door could not tell: with it, the answer might be another.</summary>
    public PrincipalAttributes Untold { get; init; }

    /// <summary>True when it is allowed although a rule in mode warn objects, or only because one permits it.</summary>
    public bool Warned { get; init; }

    public RuleReference? Warning { get; init; }

    /// <summary>What the rule in mode warn has to say, as the end of a sentence that begins with the rule; null when there is none.</summary>
    public string? WarningText => Warning is { } rule ? new RuleWarning("", rule) { IsPermit = rule == Determining }.Text : null;

    /// <summary>What would come if the rules in mode shadow were enforced; null when that would be the same.</summary>
    public bool? ShadowAllowed { get; init; }

    /// <summary>The rule in mode shadow that would turn the answer.</summary>
    public RuleReference? ShadowRule { get; init; }

    /// <summary>When the last permit ends that allows this; null when one does not end. What is refused stays refused until policy changes.</summary>
    public DateTimeOffset? ValidUntil { get; init; }
}
