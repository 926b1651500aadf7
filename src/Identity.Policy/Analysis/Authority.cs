using System.Collections.Immutable;
using Identity.Policy.Analysis.Sets;

namespace Identity.Policy.Analysis;

/// <summary>What a policy allows from a moment on: the union of its permits without the union of its forbids.</summary>
internal sealed class Authority
{
    private readonly Lazy<AuthorityIndex> _permits;
    private readonly Lazy<AuthorityIndex> _forbids;
    private readonly Lazy<AuthorityIndex> _callers;
    private readonly Lazy<HashSet<Meaning>> _meanings;

    private readonly WorkBudget _work;

    /// <param name="work">Of the comparison that this is for.</param>
    public Authority(IEnumerable<PolicyClause> clauses, DateTimeOffset now, WorkBudget work)
    {
        _work = work;
        Clauses = [.. clauses.Where(clause => Decides(clause) && !(clause.Effect == RuleEffect.Permit && clause.Expires <= now))];
        Since = RangeSet.Of((UInt128)now.UtcTicks, (UInt128)DateTimeOffset.MaxValue.UtcTicks);
        _permits = new(() => new AuthorityIndex(Of(RuleEffect.Permit), work));
        _forbids = new(() => new AuthorityIndex(Of(RuleEffect.Forbid), work));
        _callers = new(() => new AuthorityIndex(Of(RuleEffect.Permit)
            .Where(permit => AdmissionCeilingGain.IsAsked(permit.Clause)).Select(permit => permit with { Region = JointRegion.CallerOf(permit.Region) }), work));
        _meanings = new(() => [.. Clauses.Select(clause => new Meaning(clause))]);
    }

    /// <summary>Nothing is said.</summary>
    public static Authority None { get; } = new([], DateTimeOffset.MinValue, new WorkBudget(0));

    /// <summary>The moment from which on this is so.</summary>
    public DateTimeOffset From => new((long)Since.First, TimeSpan.Zero);

    /// <summary>Those that decide something, now or later.</summary>
    public ImmutableArray<PolicyClause> Clauses { get; }

    public RangeSet Since { get; }

    public AuthorityIndex Permits => _permits.Value;

    public AuthorityIndex Forbids => _forbids.Value;

    /// <summary>Whom the permits mean that a starting component is asked about, without what they permit.</summary>
    public AuthorityIndex Callers => _callers.Value;

    /// <summary>Everything that is stated of a limit.</summary>
    public HashSet<(PolicySubject, Capability, DateTimeOffset?, long?)> Statements(Limit limit) =>
        [.. Clauses.Where(clause => limit.Of(clause) is not null).Select(limit.StatedBy)];

    /// <summary>What is left of a region, and whether that is sure: the cuts may be too few, and the search too long, once the work is used up.</summary>
    public (Region? Found, bool Decided) Outside(Region region, IReadOnlyList<Region> cuts)
    {
        if (_work.IsExhausted) return (null, false);
        var search = new RegionSearch(_work);
        var found = search.FindOutside(region, cuts);
        return (found, found is not null || !search.IsExhausted);
    }

    /// <summary>True when the policy says the same, under whatever name.</summary>
    public bool Says(PolicyClause clause) => _meanings.Value.Contains(new Meaning(clause));

    /// <summary>Anything that is not clearly softer is enforced; a permit that warns permits, a forbid that warns does not forbid.</summary>
    public static bool Decides(PolicyClause clause) =>
        clause.Mode is not (RuleMode.Off or RuleMode.Shadow) && !(clause.Mode == RuleMode.Warn && clause.Effect != RuleEffect.Permit);

    /// <summary>The clause's regions from the moment on.</summary>
    public IEnumerable<Region> RegionsOf(PolicyClause clause)
    {
        foreach (var region in ClauseRegion.Of(clause))
        {
            if (region.Region[Dimensions.Time].Intersect(Since) is { } time) yield return region.Region.With(Dimensions.Time, time);
        }
    }

    private IEnumerable<ClauseRegion> Of(RuleEffect effect) => Clauses.Where(clause => clause.Effect == effect).SelectMany(ClauseRegion.Of);

    private readonly record struct Meaning(RuleEffect Effect, DateTimeOffset? Expires, PolicySubject Subject, Capability Capability)
    {
        public Meaning(PolicyClause clause)
            : this(clause.Effect, clause.Effect == RuleEffect.Permit ? clause.Expires : null, clause.Subject, clause.Capability)
        {
        }
    }
}
