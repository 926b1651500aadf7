using System.Collections.Immutable;

namespace Identity.Policy.Analysis;

/// <summary>
/// Finds where what both authorities allow may consume more under the second. Of the ceilings that the permits of one request state the
/// smallest holds, and the default where none states one; so a ceiling rises exactly where a permit of the first states a value (or none
/// does) and no permit of the second states one as small.
/// </summary>
internal sealed class CeilingGain(
    Authority before, Authority after, Func<Region, IReadOnlyList<Region>, (Region? Found, bool Decided)> outside, Action<AuthorityChange> add)
{
    public void Find()
    {
        foreach (var limit in Limit.All)
        {
            var states = after.Clauses.Where(clause => limit.Of(clause) is not null).Select(clause => Stated(clause, limit)).ToHashSet();
            var stated = before.Clauses.Where(clause => limit.Of(clause) is not null).Select(clause => Stated(clause, limit)).ToHashSet();
            foreach (var permit in before.Clauses)
            {
                if (limit.Of(permit) is { } value && !states.Contains(Stated(permit, limit))) AddRaised(permit, limit, value);
            }

            foreach (var permit in after.Clauses)
            {
                if (limit.Of(permit) > limit.Default && !stated.Contains(Stated(permit, limit))) AddAboveDefault(permit, limit);
            }
        }
    }

    private static (PolicySubject, Capability, DateTimeOffset?, long?) Stated(PolicyClause clause, Limit limit) =>
        (clause.Subject, Limit.Ignored(clause.Capability), clause.Expires, limit.Of(clause));

    private void AddRaised(PolicyClause permit, Limit limit, long value)
    {
        foreach (var region in before.RegionsOf(permit))
        {
            foreach (var granted in after.Permits.Overlapping(region))
            {
                // With nothing stated the default holds, which may be as small.
                if (limit.Default <= value ? !(limit.Of(granted.Clause) > value) : limit.Of(granted.Clause) <= value) continue;
                if (region.Intersect(granted.Region) is not { } both) continue;
                Add(both, granted.Clause, limit,
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
                Add(both, permit, limit,
                [
                    .. before.Forbids.Overlapping(both), .. after.Forbids.Overlapping(both),
                    .. before.Permits.Overlapping(both).Where(other => limit.Of(other.Clause) is not null),
                    .. after.Permits.Overlapping(both).Where(other => limit.Of(other.Clause) <= limit.Default),
                ]);
            }
        }
    }

    private void Add(Region region, PolicyClause permit, Limit limit, List<ClauseRegion> cuts)
    {
        var regions = cuts.ConvertAll(cut => cut.Region);
        var (found, decided) = outside(region, regions);
        if (found is null && decided) return;
        var example = found is { } some ? AuthorityExample.In(some) : null;
        add(new AuthorityChange
        {
            Kind = decided ? AuthorityChangeKind.Ceiling : AuthorityChangeKind.Undecided,
            Permit = permit,
            Except = [.. cuts.Select(cut => cut.Clause).Distinct()],
            Ceiling = example is null ? limit.Name : $"{limit.Name} {limit.TextOf(limit.At(before, example))} → {limit.TextOf(limit.At(after, example))}",
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

    public static ImmutableArray<Limit> All { get; } =
    [
        new("memory", Defaults.MemoryBytes, clause => clause.Ceilings.MemoryBytes, value => value % (1 << 20) == 0 ? $"{value >> 20}MiB" : $"{value >> 10}KiB"),
        new("memories", Defaults.Memories, clause => clause.Ceilings.Memories, Plain),
        new("fuel", Defaults.Fuel, clause => clause.Ceilings.Fuel, Plain),
        new("time", Defaults.Time.Ticks, clause => clause.Ceilings.Time?.Ticks, ticks => YamlText.Of(TimeSpan.FromTicks(ticks))),
        new("instances", Defaults.Instances, clause => clause.Ceilings.Instances, Plain),
        new("tables", Defaults.Tables, clause => clause.Ceilings.Tables, Plain),
        new("tableElements", Defaults.TableElements, clause => clause.Ceilings.TableElements, Plain),
        // Every permit to respond states both, so there is no default that could hold.
        new("natsRespond max", long.MaxValue, clause => (clause.Capability as Capability.NatsRespond)?.MaxMessages, Plain),
        new("natsRespond within", long.MaxValue, clause => (clause.Capability as Capability.NatsRespond)?.Within.Ticks, ticks => YamlText.Of(TimeSpan.FromTicks(ticks))),
    ];

    public string TextOf(long value) => Text(value);

    /// <summary>The capability without what is compared here as a limit.</summary>
    public static Capability Ignored(Capability capability) => capability is Capability.NatsRespond ? Capability.NatsRespond.Any : capability;

    /// <summary>What holds for one request.</summary>
    public long At(Authority authority, AuthorityExample example)
    {
        long? smallest = null;
        foreach (var clause in authority.Clauses)
        {
            if (clause.Effect == RuleEffect.Permit && !(clause.Expires <= example.At) && clause.Capability.Matches(example.Request)
                && clause.Subject.MayMean(example.Principal, out var untold) && untold == 0 && Of(clause) is { } value && !(smallest <= value))
                smallest = value;
        }

        return smallest ?? Default;
    }

    private static string Plain(long value) => value.ToString(System.Globalization.CultureInfo.InvariantCulture);
}
