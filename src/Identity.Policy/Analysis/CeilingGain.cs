using System.Collections.Immutable;

namespace Identity.Policy.Analysis;

/// <summary>
/// Finds where what both authorities allow may consume more under the second. Of the ceilings that the permits of one request state the
/// smallest holds, and the default where none states one; so a ceiling rises exactly where a permit of the first states a value (or none
/// does) and no permit of the second states one as small.
/// </summary>
internal sealed class CeilingGain(CeilingSearch search)
{
    private readonly (Authority Before, Authority After) _of = (search.Before, search.After);

    public void Find() => search.ForChanged(Limit.All, _ => true, AddRaised, AddAboveDefault);

    private void AddRaised(PolicyClause permit, Limit limit, long value)
    {
        foreach (var region in _of.Before.RegionsOf(permit))
        {
            foreach (var granted in _of.After.Permits.Overlapping(region))
            {
                // With nothing stated the default holds, which may be as small.
                if (limit.Default <= value ? !(limit.Of(granted.Clause) > value) : limit.Of(granted.Clause) <= value) continue;
                if (region.Intersect(granted.Region) is not { } both) continue;
                Add(both, granted.Clause, permit, limit, [.. ForbidsOf(both), .. _of.After.Permits.Overlapping(both).Where(other => limit.Of(other.Clause) <= value)]);
            }
        }
    }

    private void AddAboveDefault(PolicyClause permit, Limit limit)
    {
        foreach (var region in _of.After.RegionsOf(permit))
        {
            foreach (var granted in _of.Before.Permits.Overlapping(region))
            {
                if (limit.Of(granted.Clause) is not null || region.Intersect(granted.Region) is not { } both) continue;
                Add(both, permit, held: null, limit,
                [
                    .. ForbidsOf(both),
                    .. _of.Before.Permits.Overlapping(both).Where(other => limit.Of(other.Clause) is not null),
                    .. _of.After.Permits.Overlapping(both).Where(other => limit.Of(other.Clause) <= limit.Default),
                ]);
            }
        }
    }

    private IEnumerable<ClauseRegion> ForbidsOf(Region region) => [.. _of.Before.Forbids.Overlapping(region), .. _of.After.Forbids.Overlapping(region)];

    private void Add(Region region, PolicyClause permit, PolicyClause? held, Limit limit, List<ClauseRegion> cuts)
    {
        var (found, decided) = _of.After.Outside(region, cuts.ConvertAll(cut => cut.Region));
        if (found is { } some)
        {
            var example = AuthorityExample.In(some);
            search.Tell(limit, permit, held, limit.Of(permit) ?? limit.Default, cuts, example, limit.OfRequest(_of.Before, example), limit.OfRequest(_of.After, example));
        }
        else if (!decided)
        {
            search.TellUndecided(limit, permit, held);
        }
    }
}

/// <summary>What a search for rising ceilings looks at, and what it has told.</summary>
internal sealed class CeilingSearch(Authority before, Authority after, WorkBudget work, Action<AuthorityChange> add)
{
    private readonly HashSet<(Limit, PolicyClause, long)> _told = [];

    public Authority Before => before;

    public Authority After => after;

    /// <summary>Takes the work of looking at one more admission; false once it is used up.</summary>
    public bool TryLookAtAdmission() => work.Take(10);

    /// <summary>Hands out every permit whose statement of a limit is gone, and every one that states more than the default and is new.</summary>
    public void ForChanged(IEnumerable<Limit> limits, Func<PolicyClause, bool> concerns, Action<PolicyClause, Limit, long> gone, Action<PolicyClause, Limit> large)
    {
        foreach (var limit in limits)
        {
            var (stated, states) = (before.Statements(limit), after.Statements(limit));
            foreach (var permit in before.Clauses)
            {
                if (limit.Of(permit) is not { } value || !concerns(permit) || states.Contains(limit.StatedBy(permit))) continue;
                gone(permit, limit, value);
                // Whatever was found before, what is missing is not known.
                if (work.IsExhausted) TellUndecided(limit, permit, permit);
            }

            foreach (var permit in after.Clauses)
            {
                if (!(limit.Of(permit) > limit.Default) || !concerns(permit) || stated.Contains(limit.StatedBy(permit))) continue;
                large(permit, limit);
                if (work.IsExhausted) TellUndecided(limit, permit, null);
            }
        }
    }

    /// <summary>Whether a rise to this, which one changed permit is behind, was not told yet: of one request by itself it is not told again of an admission.</summary>
    public bool IsNew(Limit limit, PolicyClause changed, long to) => !_told.Contains((limit, changed, to));

    public void Tell(Limit limit, PolicyClause permit, PolicyClause? held, long to, List<ClauseRegion> cuts, AuthorityExample example, long from, long found)
    {
        _told.Add((limit, held ?? permit, to));
        add(new AuthorityChange
        {
            Kind = AuthorityChangeKind.Ceiling,
            Permit = permit,
            Held = held,
            Except = [.. cuts.Select(cut => cut.Clause).Distinct<PolicyClause>(ReferenceEqualityComparer.Instance)],
            Ceiling = limit.Told(from, found),
            Limit = limit,
            Example = example,
        });
    }

    public void TellUndecided(Limit limit, PolicyClause permit, PolicyClause? held)
    {
        if (_told.Add((limit, held ?? permit, -1)))
            add(new AuthorityChange { Kind = AuthorityChangeKind.Undecided, Permit = permit, Held = held, Ceiling = limit.Name, Limit = limit });
    }
}

/// <summary>Something a permit bounds.</summary>
/// <param name="Default">What holds when no permit states it.</param>
internal sealed record Limit(string Name, long Default, Func<PolicyClause, long?> Of, Func<long, string> Text)
{
    private static readonly ResourceCeilings Defaults = ResourceCeilings.Default;

    /// <summary>What a component may consume, by all its permits together.</summary>
    public static ImmutableArray<Limit> OfAdmissions { get; } =
    [
        new("memory", Defaults.MemoryBytes, clause => clause.Ceilings.MemoryBytes, value => value % (1 << 20) == 0 ? $"{value >> 20}MiB" : $"{value >> 10}KiB"),
        new("memories", Defaults.Memories, clause => clause.Ceilings.Memories, Plain),
        new("fuel", Defaults.Fuel, clause => clause.Ceilings.Fuel, Plain),
        new("time", Defaults.Time.Ticks, clause => clause.Ceilings.Time?.Ticks, ticks => YamlText.Of(TimeSpan.FromTicks(ticks))),
        new("instances", Defaults.Instances, clause => clause.Ceilings.Instances, Plain),
        new("tables", Defaults.Tables, clause => clause.Ceilings.Tables, Plain),
        new("tableElements", Defaults.TableElements, clause => clause.Ceilings.TableElements, Plain),
    ];

    public static ImmutableArray<Limit> All { get; } =
    [
        .. OfAdmissions,
        // Every permit to respond states both, so there is no default that could hold.
        new("natsRespond max", long.MaxValue, clause => (clause.Capability as Capability.NatsRespond)?.MaxMessages, Plain),
        new("natsRespond within", long.MaxValue, clause => (clause.Capability as Capability.NatsRespond)?.Within.Ticks, ticks => YamlText.Of(TimeSpan.FromTicks(ticks))),
    ];

    public string Told(long from, long to) => $"{Name} {Text(from)} → {Text(to)}";

    /// <summary>What a permit says of it, for whom and for what: two that say the same are the same.</summary>
    public (PolicySubject, Capability, DateTimeOffset?, long?) StatedBy(PolicyClause clause) =>
        (clause.Subject, clause.Capability is Capability.NatsRespond ? Capability.NatsRespond.Any : clause.Capability, clause.Expires, Of(clause));

    /// <summary>What holds for one request.</summary>
    public long OfRequest(Authority authority, AuthorityExample example) => Smallest(authority, example, clause => clause.Capability.Matches(example.Request));

    /// <summary>What holds for a component that asks for all of the example when it starts.</summary>
    public long OfAdmission(Authority authority, AuthorityExample example) => Smallest(
        authority, example, clause => AdmissionCeilingGain.IsAlwaysAsked(clause) || clause.Capability.Matches(example.Request) || example.Beside.Any(clause.Capability.Matches));

    private long Smallest(Authority authority, AuthorityExample example, Func<PolicyClause, bool> isAbout)
    {
        long? smallest = null;
        foreach (var clause in authority.Clauses)
        {
            if (clause.Effect == RuleEffect.Permit && Of(clause) is { } value && !(smallest <= value) && !(clause.Expires <= example.At)
                && isAbout(clause) && clause.Subject.MayMean(example.Principal, out var untold) && untold == 0)
                smallest = value;
        }

        return smallest ?? Default;
    }

    private static string Plain(long value) => value.ToString(System.Globalization.CultureInfo.InvariantCulture);
}
