namespace Identity.Policy.Evaluation;

/// <summary>Asks the rules about one caller at one moment.</summary>
internal readonly struct Evaluator(CapabilityPolicy policy, Principal principal, DateTimeOffset now)
{
    private readonly List<Bucket> _buckets = policy.Index.BucketsFor(principal);

    public Principal Principal => principal;

    public CapabilityPolicy Policy => policy;

    public DateTimeOffset Now => now;

    public List<Bucket> Buckets => _buckets;

    /// <summary>The forbid with the lowest rank under any of these keys, or null.</summary>
    public RankedRule? ForbidOf(ReadOnlySpan<int> keys)
    {
        RankedRule? first = null;
        foreach (var bucket in _buckets)
        {
            foreach (var key in keys)
            {
                if (bucket.Forbids(key) is not { } clauses) continue;
                foreach (var clause in clauses)
                {
                    if ((first is null || clause.Ranked.Rank < first.Rank) && clause.Means(principal)) first = clause.Ranked;
                }
            }
        }

        return first;
    }

    /// <summary>Adds every permit under any of these keys; false when there is none.</summary>
    public bool AddPermitsOf(ReadOnlySpan<int> keys, Determination determination)
    {
        var any = false;
        foreach (var bucket in _buckets)
        {
            foreach (var key in keys)
            {
                if (bucket.Permits(key) is not { } clauses) continue;
                foreach (var clause in clauses)
                {
                    if (clause.Rule.IsExpired(now) || !clause.Means(principal)) continue;
                    determination.Add(clause.Ranked);
                    any = true;
                }
            }
        }

        return any;
    }
}
