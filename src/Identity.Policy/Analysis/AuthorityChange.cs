using System.Collections.Immutable;

namespace Identity.Policy.Analysis;

public enum AuthorityChangeKind
{
    /// <summary>Too much work to decide; to be treated as a change.</summary>
    Undecided = 0,

    /// <summary>Something is allowed that was not.</summary>
    Authority,

    /// <summary>What is allowed may consume more.</summary>
    Ceiling,
}

/// <summary>
/// One part of what is gained: what <see cref="Permit"/> grants, as far as <see cref="Lifted"/> forbade it before (when that is set), without
/// what <see cref="Except"/> mean, until <see cref="Until"/>. All parts together are the whole gain, and nothing else is.
/// </summary>
public sealed record AuthorityChange
{
    public required AuthorityChangeKind Kind { get; init; }

    /// <summary>The permit of the policy that allows more.</summary>
    public required PolicyClause Permit { get; init; }

    /// <summary>The forbid of the other policy that is gone, or decides nothing any more.</summary>
    public PolicyClause? Lifted { get; init; }

    /// <summary>Of a ceiling: the permit of the other policy that held it down and is gone; null when it rises over what holds by default.</summary>
    public PolicyClause? Held { get; init; }

    /// <summary>Forbids that still hold, and permits that granted the same before; only those that meet the part.</summary>
    public ImmutableArray<PolicyClause> Except { get; init; } = [];

    /// <summary>Of a ceiling: which, and from what to what: <c>memory 16MiB → 64MiB</c>.</summary>
    public string? Ceiling { get; init; }

    internal Limit? Limit { get; init; }

    /// <summary>Null when the permit does not end.</summary>
    public DateTimeOffset? Until => Permit.Expires;

    /// <summary>Null exactly when it is undecided.</summary>
    public AuthorityExample? Example { get; init; }

    /// <summary>The rule to look at.</summary>
    public RuleReference Rule => Lifted?.Rule ?? Held?.Rule ?? Permit.Rule;

    /// <summary>Whom it concerns, in one line.</summary>
    public string Who => Lifted is null ? SubjectText.Of(Permit.Subject) : SubjectText.OfBoth(Permit.Subject, Lifted.Subject);

    /// <summary>What it is about, in one line.</summary>
    public string What => Lifted is null || Lifted.Capability.Covers(Permit.Capability) ? Permit.Capability.ToString()
        : Permit.Capability.Covers(Lifted.Capability) ? Lifted.Capability.ToString()
        : $"{Permit.Capability} within {Lifted.Capability}";

    /// <summary>The regions of the part and what is cut out of them; for asking further.</summary>
    internal ImmutableArray<Region> Regions { get; init; } = [];

    internal ImmutableArray<Region> Cuts { get; init; } = [];

    public override string ToString() => $"{Who}: {What}{(Ceiling is null ? "" : $" ({Ceiling})")}";
}

/// <summary>A member of an inventory and one change that concerns it.</summary>
/// <param name="Request">Something that this very principal may now do, or no longer.</param>
/// <param name="At">When; now, or later when the difference begins only then.</param>
public sealed record PrincipalImpact(Principal Principal, AuthorityChange Change, CapabilityRequest Request, DateTimeOffset At);

/// <param name="Gained">In the order of the inventory, each principal with every change that concerns it.</param>
public sealed record PolicyImpact(ImmutableArray<PrincipalImpact> Gained, ImmutableArray<PrincipalImpact> Lost);
