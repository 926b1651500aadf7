namespace Identity.Policy.Evaluation;

/// <summary>What the clauses about one request add up to, whatever their order. Its default says no.</summary>
internal struct Tally : IClauseSink
{
    private PolicyClause? _permit;
    private PolicyClause? _forbid;
    private PolicyClause? _warnPermit;
    private PolicyClause? _warnForbid;
    private PolicyClause? _shadowPermit;
    private PolicyClause? _shadowForbid;
    private PrincipalAttributes _untold;
    private long _permitsEnd;

    /// <param name="clause">Not expired.</param>
    public void Add(PolicyClause clause, Principal principal, CapabilityRequest request) => TakePermit(clause, principal, request);

    /// <summary>Adds it; true when it permits what is asked for and is not only a shadow.</summary>
    public bool TakePermit(PolicyClause clause, Principal principal, CapabilityRequest request)
    {
        // Anything that is not clearly a permit forbids, and anything that is not clearly softer is enforced.
        if (clause.Effect == RuleEffect.Permit)
        {
            if (!clause.Capability.Matches(request) || !clause.Subject.MayMean(principal, out var open) || open != 0) return false;
            if (clause.Mode == RuleMode.Shadow)
            {
                Keep(ref _shadowPermit, clause);
                return false;
            }

            if (clause.Mode == RuleMode.Warn) Keep(ref _warnPermit, clause);
            else Keep(ref _permit, clause);
            _permitsEnd = Math.Max(_permitsEnd, clause.EndsAt);
            return true;
        }

        if (!clause.Capability.Touches(request) || !clause.Subject.MayMean(principal, out var untold)) return false;
        if (clause.Mode == RuleMode.Shadow) Keep(ref _shadowForbid, clause);
        else if (clause.Mode == RuleMode.Warn) Keep(ref _warnForbid, clause);
        else KeepForbid(clause, untold);
        return false;
    }

    public readonly CapabilityDecision Decide() => Decide(needsPermit: true);

    /// <summary>For what is open unless a rule closes it: permits say nothing about it, in whatever mode.</summary>
    public readonly CapabilityDecision DecideUnlessForbidden() => Decide(needsPermit: false);

    private readonly CapabilityDecision Decide(bool needsPermit)
    {
        var permit = _permit ?? _warnPermit;
        var allowed = _forbid is null && (permit is not null || !needsPermit);
        var shadowAllowed = _forbid is null && _shadowForbid is null && ((permit ?? _shadowPermit) is not null || !needsPermit);
        var warning = allowed ? _warnForbid ?? (_permit is null && needsPermit ? _warnPermit : null) : null;
        return new CapabilityDecision
        {
            Allowed = allowed,
            Determining = _forbid?.Rule ?? permit?.Rule,
            Reason = _forbid is null ? RefusalReason.NotGranted : RefusalReason.Forbidden,
            Untold = _forbid is null ? PrincipalAttributes.None : _untold,
            Warned = warning is not null,
            Warning = warning?.Rule,
            ShadowAllowed = shadowAllowed == allowed ? null : shadowAllowed,
            ShadowRule = shadowAllowed == allowed ? null : shadowAllowed ? _shadowPermit?.Rule : _shadowForbid?.Rule,
            ValidUntil = allowed && needsPermit && _permitsEnd != long.MaxValue ? new DateTimeOffset(_permitsEnd, TimeSpan.Zero) : null,
        };
    }

    private static void Keep(ref PolicyClause? kept, PolicyClause clause)
    {
        if (kept is null || clause.Rank < kept.Rank) kept = clause;
    }

    // A forbid that certainly applies explains more than one that only may; then the first by reference, and of its clauses the surest.
    private void KeepForbid(PolicyClause clause, PrincipalAttributes untold)
    {
        if (_forbid is not null && (_untold != 0, _forbid.Rank, _untold).CompareTo((untold != 0, clause.Rank, untold)) <= 0) return;
        _forbid = clause;
        _untold = untold;
    }
}
