using System.Collections.Immutable;

namespace Identity.Policy;

/// <summary>Forbid is the zero value, so that a forgotten effect forbids.</summary>
public enum RuleEffect
{
    Forbid = 0,
    Permit = 1,
}

/// <summary>How far a rule goes. Enforce is the zero value, so that a forgotten mode enforces.</summary>
public enum RuleMode
{
    Enforce = 0,

    /// <summary>As if the rule were not there.</summary>
    Off,

    /// <summary>No effect; a decision says what would come if the rule were enforced.</summary>
    Shadow,

    /// <summary>Lets it happen and says so: a permit permits, a forbid does not forbid.</summary>
    Warn,
}

/// <summary>One statement: these subjects may, or may never, use these capabilities.</summary>
public sealed record PolicyRule
{
    public required string Name { get; init; }

    public required RuleEffect Effect { get; init; }

    /// <summary>Any of them; never empty.</summary>
    public required ImmutableArray<PolicySubject> Subjects { get; init; }

    /// <summary>Each of them; never empty.</summary>
    public required ImmutableArray<Capability> Capabilities { get; init; }

    /// <summary>Stated by permits only.</summary>
    public StatedCeilings Ceilings { get; init; } = StatedCeilings.None;

    /// <summary>A permit grants nothing from this moment on. A forbid never ends by itself.</summary>
    public DateTimeOffset? Expires { get; init; }

    public RuleMode Mode { get; init; }

    /// <summary>Why the rule is there; a rule that ends always says.</summary>
    public string? Reason { get; init; }
}

/// <summary>Where a decision comes from: <c>policy/rule</c>.</summary>
public readonly record struct RuleReference(string Policy, string Rule) : IComparable<RuleReference>
{
    public int CompareTo(RuleReference other) =>
        string.CompareOrdinal(Policy, other.Policy) is not 0 and var order ? order : string.CompareOrdinal(Rule, other.Rule);

    public override string ToString() => $"{Policy}/{Rule}";

    public static bool operator <(RuleReference left, RuleReference right) => left.CompareTo(right) < 0;

    public static bool operator >(RuleReference left, RuleReference right) => left.CompareTo(right) > 0;

    public static bool operator <=(RuleReference left, RuleReference right) => left.CompareTo(right) <= 0;

    public static bool operator >=(RuleReference left, RuleReference right) => left.CompareTo(right) >= 0;
}
