using System.Collections.Immutable;

namespace Identity.Policy.Analysis;

/// <summary>
/// Finds what one authority allows and another does not. A point is gained when a permit of the second means it, no forbid of the second
/// does, and either no permit of the first means it or a forbid of the first does. So only permits that the first does not have, and
/// forbids that the second does not have, can be behind a gain; nothing else is looked at.
/// </summary>
internal sealed class AuthorityGain(Authority before, Authority after, long work)
{
    // Beyond that nobody reads on, and a page of undecided changes is as good as a book.
    private const int MaxUndecided = 100;

    private readonly ImmutableArray<AuthorityChange>.Builder _changes = ImmutableArray.CreateBuilder<AuthorityChange>();
    private int _undecided;

    public ImmutableArray<AuthorityChange> Find()
    {
        foreach (var permit in after.Clauses)
        {
            if (permit.Effect == RuleEffect.Permit && !before.Says(permit)) AddPermitted(permit);
        }

        foreach (var forbid in before.Clauses)
        {
            if (forbid.Effect != RuleEffect.Permit && !after.Says(forbid)) AddLifted(forbid);
        }

        var told = new CeilingsTold();
        new CeilingGain(before, after, Outside, told, Add).Find();
        new AdmissionCeilingGain(before, after, Outside, told, Add).Find();
        return _changes.DrainToImmutable();
    }

    private void AddPermitted(PolicyClause permit)
    {
        Add(permit, lifted: null, [.. after.RegionsOf(permit)], region => [.. after.Forbids.Overlapping(region), .. before.Permits.Overlapping(region)]);
    }

    private void AddLifted(PolicyClause forbid)
    {
        var lifted = new Dictionary<PolicyClause, List<Region>>(ReferenceEqualityComparer.Instance);
        foreach (var forbidden in after.RegionsOf(forbid))
        {
            foreach (var permit in after.Permits.Overlapping(forbidden))
            {
                // What nobody granted before was told by the permit itself.
                if (permit.Region.Intersect(forbidden) is not { } region || before.Permits.Overlapping(region) is []) continue;
                if (!lifted.TryGetValue(permit.Clause, out var regions)) lifted.Add(permit.Clause, regions = []);
                regions.Add(region);
            }
        }

        foreach (var (permit, regions) in lifted) Add(permit, forbid, regions, after.Forbids.Overlapping);
    }

    private void Add(PolicyClause permit, PolicyClause? lifted, List<Region> regions, Func<Region, List<ClauseRegion>> cutsOf)
    {
        List<ClauseRegion> cuts = [.. regions.SelectMany(cutsOf).Distinct()];
        var cutRegions = cuts.ConvertAll(cut => cut.Region);
        var (found, decided) = ((Region?)null, true);
        foreach (var region in regions)
        {
            var (outside, sure) = Outside(region, cutRegions);
            found ??= outside;
            decided &= sure;
        }

        if (found is null && decided) return;
        Add(new AuthorityChange
        {
            Kind = found is null ? AuthorityChangeKind.Undecided : AuthorityChangeKind.Authority,
            Permit = permit,
            Lifted = lifted,
            Except = [.. cuts.Select(cut => cut.Clause).Distinct<PolicyClause>(ReferenceEqualityComparer.Instance)],
            Example = found is { } some ? AuthorityExample.In(some) : null,
            Regions = [.. regions],
            Cuts = [.. cutRegions],
        });
    }

    private void Add(AuthorityChange change)
    {
        if (change.Kind == AuthorityChangeKind.Undecided && _undecided++ >= MaxUndecided) return;
        _changes.Add(change);
    }

    private (Region? Found, bool Decided) Outside(Region region, IReadOnlyList<Region> cuts)
    {
        // Once the page is full the rest is not worth its work; it is undecided too.
        if (_undecided >= MaxUndecided) return (null, false);
        var search = new RegionSearch(work);
        var found = search.FindOutside(region, cuts);
        return (found, found is not null || !search.IsExhausted);
    }
}
