using System.Collections.Immutable;

namespace Identity.Policy.Analysis;

/// <summary>
/// Finds where what both authorities allow may consume more under the second. Of the ceilings that the permits of one request state the
/// smallest holds, and the default where none states one; so a ceiling rises exactly where a permit of the first states a value (or none
/// does) and no permit of the second states one as small.
/// </summary>
internal sealed class CeilingGain(
    Authority before, Authority after, Func<Region, IReadOnlyList<Region>, (Region? Found, bool Decided)> outside, CeilingsTold told, Action<AuthorityChange> add)
{
    public void Find()
    {
        foreach (var limit in Limit.All)
        {
            var (stated, states) = (before.Statements(limit), after.Statements(limit));
            foreach (var permit in before.Clauses)
            {
                if (limit.Of(permit) is { } value && !states.Contains(limit.StatedBy(permit))) AddRaised(permit, limit, value);
            }

            foreach (var permit in after.Clauses)
            {
                if (limit.Of(permit) > limit.Default && !stated.Contains(limit.StatedBy(permit))) AddAboveDefault(permit, limit);
            }
        }
    }

    private void AddRaised(PolicyClause permit, Limit limit, long value)
    {
        foreach (var region in before.RegionsOf(permit))
        {
            foreach (var granted in after.Permits.Overlapping(region))
            {
                // With nothing stated the default holds, which may be as small.
                if (limit.Default <= value ? !(limit.Of(granted.Clause) > value) : limit.Of(granted.Clause) <= value) continue;
                if (region.Intersect(granted.Region) is not { } both) continue;
                Add(both, granted.Clause, permit, limit,
                    [.. before.Forbids.Overlapping(both), .. after.Forbids.Overlapping(both), .. after.Permits.Overlapping(both).Where(other => limit.Of(other.Clause) <= value)]);
            }
        }
    }

    private void AddAboveDefault(PolicyClause permit, Limit limit)
    {
        foreach (var region in after.RegionsOf(permit))
        {
            foreach (var granted in before.Permits.Overlapping(region))
            {
                if (limit.Of(granted.Clause) is not null || region.Intersect(granted.Region) is not { } both) continue;
                Add(both, permit, held: null, limit,
                [
                    .. before.Forbids.Overlapping(both), .. after.Forbids.Overlapping(both),
                    .. before.Permits.Overlapping(both).Where(other => limit.Of(other.Clause) is not null),
                    .. after.Permits.Overlapping(both).Where(other => limit.Of(other.Clause) <= limit.Default),
                ]);
            }
        }
    }

    private void Add(Region region, PolicyClause permit, PolicyClause? held, Limit limit, List<ClauseRegion> cuts)
    {
        var regions = cuts.ConvertAll(cut => cut.Region);
        var (found, decided) = outside(region, regions);
        if (found is null && decided) return;
        var example = found is { } some ? AuthorityExample.In(some) : null;
        if (decided) told.Add(limit, held ?? permit, limit.Of(permit) ?? limit.Default);
        add(new AuthorityChange
        {
            Kind = decided ? AuthorityChangeKind.Ceiling : AuthorityChangeKind.Undecided,
            Permit = permit,
            Held = held,
            Except = [.. cuts.Select(cut => cut.Clause).Distinct()],
            Ceiling = example is null ? limit.Name : limit.Told(limit.OfRequest(before, example), limit.OfRequest(after, example)),
            Example = example,
            Regions = [region],
            Cuts = [.. regions],
        });
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
