using System.Collections.Immutable;
using Spiffe.Net;

namespace Identity.Policy;

/// <summary>Forbid is the zero value, so that a forgotten effect forbids.</summary>
public enum RuleEffect
{
    Forbid = 0,
    Permit = 1,
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

    internal bool IsExpired(DateTimeOffset now) => Expires <= now;
}

/// <summary>Whom a rule means. Every attribute that is set must match, and at least one is set.</summary>
public sealed record PolicySubject
{
    public SpiffeId? SpiffeId { get; init; }

    public SpiffeIdPrefix? SpiffeIdPrefix { get; init; }

    /// <summary>Matches components only: a process has no digest that policy could know.</summary>
    public ComponentDigest? Digest { get; init; }

    /// <summary>The SPIFFE ID of the host that runs the component; matches components only.</summary>
    public SpiffeId? Host { get; init; }

    public SpiffeIdPrefix? HostPrefix { get; init; }
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
