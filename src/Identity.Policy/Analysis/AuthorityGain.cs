using System.Collections.Immutable;

namespace Identity.Policy.Analysis;

/// <summary>
/// Finds what one authority allows and another does not. A point is gained when a permit of the second means it, no forbid of the second
/// does, and either no permit of the first means it or a forbid of the first does. So only permits that the first does not have, and
/// forbids that the second does not have, can be behind a gain; nothing else is looked at.
/// </summary>
/// <param name="work">Shared by all questions; once it is used up, every clause that could be behind a gain is told as undecided.</param>
internal sealed class AuthorityGain(Authority before, Authority after, WorkBudget work)
{
    private readonly ImmutableArray<AuthorityChange>.Builder _changes = ImmutableArray.CreateBuilder<AuthorityChange>();

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

        var ceilings = new CeilingSearch(before, after, work, _changes.Add);
        new CeilingGain(ceilings).Find();
        new AdmissionCeilingGain(ceilings).Find();
        return _changes.DrainToImmutable();
    }

    private void AddPermitted(PolicyClause permit)
    {
        List<Region> regions = [.. after.RegionsOf(permit)];
        Add(permit, lifted: null, regions, regions, region => [.. after.Forbids.Overlapping(region), .. before.Permits.Overlapping(region)]);
    }

    private void AddLifted(PolicyClause forbid)
    {
        var lifted = new Dictionary<PolicyClause, (List<Region> Regions, List<Region> Whole)>(ReferenceEqualityComparer.Instance);
        foreach (var forbidden in after.RegionsOf(forbid))
        {
            foreach (var permit in after.Permits.Overlapping(forbidden))
            {
                if (permit.Region.Intersect(forbidden) is not { } region) continue;
                if (!lifted.TryGetValue(permit.Clause, out var both)) lifted.Add(permit.Clause, both = ([], []));
                both.Whole.Add(region);
                // What nobody granted before was told by the permit itself.
                if (before.Permits.Overlapping(region) is not []) both.Regions.Add(region);
            }
        }

        // Then nobody knows which permits it held back.
        if (work.IsExhausted) _changes.Add(new AuthorityChange { Kind = AuthorityChangeKind.Undecided, Permit = forbid, Lifted = forbid });
        else foreach (var (permit, both) in lifted.Where(pair => pair.Value.Regions.Count > 0)) Add(permit, forbid, both.Regions, both.Whole, after.Forbids.Overlapping);
    }

    /// <param name="regions">Where to look for a gain.</param>
    /// <param name="whole">All that the permit, and the forbid that is lifted, say together: what is told is this without its exceptions.</param>
    private void Add(PolicyClause permit, PolicyClause? lifted, List<Region> regions, List<Region> whole, Func<Region, List<ClauseRegion>> cutsOf)
    {
        List<ClauseRegion> cuts = [.. whole.SelectMany(cutsOf).Distinct()];
        var cutRegions = cuts.ConvertAll(cut => cut.Region);
        var (found, decided) = ((Region?)null, true);
        foreach (var region in regions)
        {
            var (outside, sure) = after.Outside(region, cutRegions);
            found ??= outside;
            decided &= sure;
        }

        if (found is null && decided) return;
        _changes.Add(new AuthorityChange
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
}
