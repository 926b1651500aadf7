using Identity.Policy.Analysis.Sets;

namespace Identity.Policy.Analysis;

/// <summary>
/// Finds where a component may consume more although each of its requests may as _of.Before. Of all permits of what one component asks for the
/// smallest ceiling holds, so a permit to start, to export or to use NATS also holds down what another permit lets it import. A ceiling rises
/// where a permit that stated less is gone, or where one states more than what held by default, and nothing else of the admission holds it.
/// </summary>
/// <remarks>
/// A component chooses what it imports, each of which must be allowed, and what it exports, which need not be. Whether it may start and what
/// it may do on NATS is asked for every component; so permits of these hold ceilings for everybody they mean. Forbids change nothing of that,
/// nor does it matter whether an interface is granted whole or by its functions.
/// </remarks>
internal sealed class AdmissionCeilingGain(CeilingSearch search)
{
    private readonly (Authority Before, Authority After) _of = (search.Before, search.After);

    public void Find() => search.ForChanged(
        Limit.OfAdmissions, IsAsked, AddLost, (permit, limit) => Add(new Rise(limit, null, permit, limit.Of(permit)!.Value)));

    /// <summary>True for what a component is asked about when it starts.</summary>
    public static bool IsAsked(PolicyClause clause) => clause.Effect == RuleEffect.Permit && (IsAlwaysAsked(clause) || clause.Capability is Capability.Import or Capability.Export);

    /// <summary>True for what is asked whatever the component is.</summary>
    public static bool IsAlwaysAsked(PolicyClause clause) => clause.Capability is Capability.Start || Evaluation.NatsSubjects.IsAbout(clause.Capability);

    // To the default when nothing else states one, and to every larger one that is stated beside it.
    private void AddLost(PolicyClause held, Limit limit, long value)
    {
        if (limit.Default > value) Add(new Rise(limit, held, null, limit.Default));
        foreach (var region in _of.Before.RegionsOf(held))
        {
            foreach (var (permit, _) in _of.After.Callers.Overlapping(JointRegion.CallerOf(region)))
            {
                if (limit.Of(permit) is { } larger && larger > value) Add(new Rise(limit, held, permit, larger));
            }
        }
    }

    private void Add(Rise rise)
    {
        if (!search.IsNew(rise.Limit, rise.Held ?? rise.Raising!, rise.To)) return;
        foreach (var admission in Admissions(rise))
        {
            if (!search.TryLookAtAdmission()) return;
            if (JointRegion.Of(admission.ConvertAll(part => part.Region)) is not { } joint) continue;
            var cuts = CutsOf(rise, admission, joint);
            var (found, decided) = _of.After.Outside(joint.Whole, cuts.ConvertAll(cut => cut.Region));
            var permit = rise.Raising ?? admission.Find(part => part.Grants is not null)!.Grants!;
            if (!decided) search.TellUndecided(rise.Limit, permit, rise.Held);
            if (found is null) continue;
            var example = joint.ExampleIn(found.Value);
            search.Tell(rise.Limit, permit, rise.Held, rise.To, cuts, example, rise.Limit.OfAdmission(_of.Before, example), rise.Limit.OfAdmission(_of.After, example));
            return;
        }
    }

    /// <summary>
    /// What a component would ask for to show the rise, in every way in which it could: something of the permit that raises, something of the
    /// one that held, and where neither lets it start, something that does before and after.
    /// </summary>
    private IEnumerable<List<Part>> Admissions(Rise rise)
    {
        foreach (var raised in Ways(rise, rise.Raising, _of.After, _of.Before))
        {
            foreach (var held in Ways(rise, rise.Held, _of.Before, _of.After))
            {
                List<Part> parts = [.. new[] { raised, held }.OfType<Part>()];
                if (JointRegion.Of(parts.ConvertAll(part => part.Region)) is not { } both) continue;
                if (parts.Exists(part => part.Region.Kind == RegionKind.Import))
                {
                    yield return parts;
                    continue;
                }

                foreach (var starts in WaysToStart(rise, both.Caller)) yield return [.. parts, starts];
            }
        }
    }

    /// <summary>How a permit of one policy can be part of an admission: what is imported must be permitted by the other one as well.</summary>
    private IEnumerable<Part?> Ways(Rise rise, PolicyClause? permit, Authority mine, Authority other)
    {
        if (permit is null)
        {
            yield return null;
            yield break;
        }

        foreach (var region in mine.RegionsOf(permit))
        {
            if (region.Kind != RegionKind.Import)
            {
                yield return new Part(region, region.Kind == RegionKind.Export ? Holding(rise, region) : [], null);
                continue;
            }

            foreach (var granted in other.Permits.Overlapping(region))
            {
                if (region.Intersect(granted.Region) is { } both) yield return Importing(rise, both, other == _of.After ? granted.Clause : permit);
            }
        }
    }

    private IEnumerable<Part> WaysToStart(Rise rise, Region caller)
    {
        foreach (var asked in (Region[])[CapabilityRegions.StartOf(caller), CapabilityRegions.AnyImportOf(caller)])
        {
            foreach (var granted in _of.After.Permits.Overlapping(asked))
            {
                if (rise.IsHeldBy(granted.Clause) || asked.Intersect(granted.Region) is not { } may) continue;
                foreach (var known in _of.Before.Permits.Overlapping(may))
                {
                    if (may.Intersect(known.Region) is not { } both) continue;
                    yield return asked.Kind == RegionKind.Start ? new Part(both, [], granted.Clause) : Importing(rise, both, granted.Clause);
                }
            }
        }
    }

    private Part Importing(Rise rise, Region region, PolicyClause granted) =>
        new(region, [.. _of.Before.Forbids.Overlapping(region), .. _of.After.Forbids.Overlapping(region), .. Holding(rise, region)], granted);

    /// <summary>The permits of a request that keep the ceiling from rising as far.</summary>
    private List<ClauseRegion> Holding(Rise rise, Region region) =>
        [.. _of.After.Permits.Overlapping(region).Where(permit => rise.IsHeldBy(permit.Clause)), .. _of.Before.Permits.Overlapping(region).Where(permit => rise.WasHeldBy(permit.Clause))];

    private List<ClauseRegion> CutsOf(Rise rise, List<Part> admission, JointRegion joint)
    {
        var start = CapabilityRegions.StartOf(joint.Caller);
        // Who is forbidden to start is not admitted; what is always asked holds for whoever it means.
        IEnumerable<ClauseRegion> ofCaller =
        [
            .. _of.Before.Forbids.Overlapping(start), .. _of.After.Forbids.Overlapping(start),
            .. _of.After.Callers.Overlapping(joint.Caller).Where(permit => IsAlwaysAsked(permit.Clause) && rise.IsHeldBy(permit.Clause)),
            .. _of.Before.Callers.Overlapping(joint.Caller).Where(permit => IsAlwaysAsked(permit.Clause) && rise.WasHeldBy(permit.Clause)),
        ];
        var cuts = ofCaller.Select(cut => cut with { Region = joint.CutOfCaller(cut.Region) }).ToList();
        for (var i = 0; i < admission.Count; i++)
        {
            foreach (var cut in admission[i].Cuts) cuts.Add(cut with { Region = joint.CutOf(cut.Region, i) });
        }

        return cuts;
    }

    /// <param name="Held">What stated less and is gone; null when the default held.</param>
    /// <param name="Raising">What states <paramref name="To"/>; null when that is the default.</param>
    private sealed record Rise(Limit Limit, PolicyClause? Held, PolicyClause? Raising, long To)
    {
        public bool IsHeldBy(PolicyClause clause) => Raising is null ? Limit.Of(clause) is not null : Limit.Of(clause) < To;

        public bool WasHeldBy(PolicyClause clause) => Held is null && Limit.Of(clause) is not null;
    }

    /// <param name="Grants">The permit by which it is allowed afterwards, when it must be.</param>
    private sealed record Part(Region Region, List<ClauseRegion> Cuts, PolicyClause? Grants);
}
