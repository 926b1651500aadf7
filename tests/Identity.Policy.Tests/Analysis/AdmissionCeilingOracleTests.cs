using Identity.Policy.Analysis;

namespace Identity.Policy.Tests.Analysis;

/// <summary>What a whole component may consume, by all its permits together, never rises unseen (docs/policy-verification.md).</summary>
public sealed class AdmissionCeilingOracleTests
{
    private readonly AdmissionWorld _world = new();

    [Fact]
    public void Every_ceiling_of_every_component_is_what_enumeration_says() => Cases.Each(AdmissionWorld.Pairs, Cases.Times(100), pair =>
    {
        var policy = SmallWorld.Policy(pair.After);
        foreach (var moment in SmallWorld.Moments)
        {
            for (var caller = 0; caller < SmallWorld.Principals.Length; caller++)
            {
                var expected = _world.Ceilings(pair.After, caller, moment);
                for (var shape = 0; shape < expected.Length; shape++)
                {
                    var decided = ComponentAdmission.Decide(policy, AdmissionWorld.ComponentOf(AdmissionWorld.Shapes[shape], SmallWorld.Principals[caller]), moment) as Decision.Admitted;
                    Assert.Equal(expected[shape], decided is null ? null : (decided.Ceilings.Fuel, decided.Ceilings.MemoryBytes));
                }
            }
        }
    });

    [Fact]
    public void No_ceiling_of_any_component_rises_untold_and_each_that_is_told_rises() => Cases.Each(AdmissionWorld.Pairs, Cases.Times(3_000), pair =>
    {
        var (was, will) = (SmallWorld.Policy(pair.Before), SmallWorld.Policy(pair.After));
        var diff = PolicyDiff.Between(was, will, Samples.Now);
        Assert.True(diff.IsComplete);
        var (gained, lost) = (Told(diff.Gained), Told(diff.Lost));
        foreach (var moment in SmallWorld.Moments)
        {
            for (var caller = 0; caller < SmallWorld.Principals.Length; caller++)
            {
                var (before, after) = (_world.Ceilings(pair.Before, caller, moment), _world.Ceilings(pair.After, caller, moment));
                for (var shape = 0; shape < before.Length; shape++)
                {
                    if (before[shape] is not { } old || after[shape] is not { } now) continue;
                    AssertTold("fuel", old.Fuel, now.Fuel);
                    AssertTold("memory", old.Memory, now.Memory);

                    void AssertTold(string limit, long from, long to)
                    {
                        if (from != to && !(from < to ? gained : lost).Contains(limit))
                            Assert.Fail($"{SmallWorld.Principals[caller]} {AdmissionWorld.Shapes[shape]} at {moment:u}: {limit} {from} to {to}, told nothing");
                    }
                }
            }
        }

        foreach (var change in diff.Gained.Where(change => change.Kind == AuthorityChangeKind.Ceiling)) AssertRises(change, was, will);
        foreach (var change in diff.Lost.Where(change => change.Kind == AuthorityChangeKind.Ceiling)) AssertRises(change, will, was);
    });

    private static HashSet<string> Told(IEnumerable<AuthorityChange> changes) =>
        [.. changes.Where(change => change.Kind == AuthorityChangeKind.Ceiling).Select(change => change.Ceiling!.Split(' ')[0])];

    internal static void AssertRises(AuthorityChange change, CapabilityPolicy was, CapabilityPolicy will)
    {
        var example = change.Example!;
        CapabilityRequest[] asked = [example.Request, .. example.Beside];
        var component = AdmissionWorld.Component(example.Principal, asked.Where(request => request is CapabilityRequest.Import), asked.Where(request => request is CapabilityRequest.Export));
        var (before, after) = (ComponentAdmission.Decide(was, component, example.At), ComponentAdmission.Decide(will, component, example.At));
        if (before is Decision.Admitted old && after is Decision.Admitted now)
        {
            var (from, to) = change.Ceiling!.StartsWith("fuel", StringComparison.Ordinal) ? (old.Ceilings.Fuel, now.Ceilings.Fuel) : (old.Ceilings.MemoryBytes, now.Ceilings.MemoryBytes);
            if (from < to) return;
        }

        // A rise of one request by itself, that something else of this admission may hold.
        Assert.True(example.Beside.IsEmpty, $"{change} does not rise for {string.Join(", ", (object[])asked)} of {example.Principal}");
        Assert.True(PolicyDecision.Decide(was, example.Principal, example.Request, example.At).Allowed && PolicyDecision.Decide(will, example.Principal, example.Request, example.At).Allowed);
    }
}
