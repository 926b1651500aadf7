using CsCheck;
using Identity.Policy.Analysis;

namespace Identity.Policy.Tests.Analysis;

/// <summary>Decisions and differences of random policies equal what asking everybody for everything says (docs/policy-verification.md).</summary>
public sealed class PolicyDiffOracleTests
{
    private const int PoliciesOfAKind = 200;

    public static TheoryData<int> Kinds => [.. Enumerable.Range(0, SmallWorld.Kinds.Length)];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Every_difference_is_what_enumeration_says(int kind)
    {
        var world = new Enumeration(kind);
        // Half of the pairs share most of their rules, as revisions of one policy do.
        var pairs = Gen.Select(SmallWorld.Rules(kind, 6), SmallWorld.Rules(kind, 6), Gen.Int[0, 7], (before, other, how) =>
            (Before: before, After: how < 4 ? other : [.. before.Where((_, number) => number != how - 4), .. other.Take(1).Select(rule => rule with { Name = "new" })]));
        Cases.Each(pairs, Cases.Times(PoliciesOfAKind), pair => Compare(world, pair.Before, pair.After));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Every_decision_is_what_enumeration_says(int kind)
    {
        var world = new Enumeration(kind);
        Cases.Each(SmallWorld.Rules(kind, 8), Cases.Times(PoliciesOfAKind / 20), rules =>
        {
            var policy = SmallWorld.Policy(rules);
            var allowed = world.Allowed(rules);
            for (var moment = 0; moment < SmallWorld.Moments.Length; moment++)
            {
                for (var caller = 0; caller < SmallWorld.Principals.Length; caller++)
                {
                    for (var request = 0; request < world.Requests.Length; request++)
                    {
                        var decided = NatsRights.Decide(policy, SmallWorld.Principals[caller], world.Requests[request], SmallWorld.Moments[moment]).Allowed;
                        Assert.True(decided == ((allowed[moment][caller] >> request & 1) != 0), $"{SmallWorld.Principals[caller]} asks for {world.Requests[request]}: {decided}");
                    }
                }
            }
        });
    }

    private static void Compare(Enumeration world, PolicyRule[] before, PolicyRule[] after)
    {
        var (was, will) = (SmallWorld.Policy(before), SmallWorld.Policy(after));
        var diff = PolicyDiff.Between(was, will, Samples.Now);
        Assert.True(diff.IsComplete);
        Check(world, diff.Gained, was, will, world.Allowed(before), world.Allowed(after));
        Check(world, diff.Lost, will, was, world.Allowed(after), world.Allowed(before));
    }

    private static void Check(
        Enumeration world, IEnumerable<AuthorityChange> changes, CapabilityPolicy was, CapabilityPolicy will, uint[][] before, uint[][] after)
    {
        foreach (var change in changes)
        {
            var (principal, request, at) = change.Example!;
            if (change.Kind != AuthorityChangeKind.Authority) continue;
            Assert.False(NatsRights.Decide(was, principal, request, at).Allowed, $"{change}: {principal} already could {request}");
            Assert.True(NatsRights.Decide(will, principal, request, at).Allowed, $"{change}: {principal} cannot {request}");
        }

        for (var moment = 0; moment < SmallWorld.Moments.Length; moment++)
        {
            var told = new uint[SmallWorld.Principals.Length];
            foreach (var change in changes.Where(change => change.Kind == AuthorityChangeKind.Authority))
            {
                var means = world.Means(change, SmallWorld.Moments[moment]);
                for (var caller = 0; caller < told.Length; caller++) told[caller] |= means[caller];
            }

            for (var caller = 0; caller < told.Length; caller++)
            {
                var gained = after[moment][caller] & ~before[moment][caller];
                // Parts speak of single names; that no pattern can be asked for either is what an empty difference proves.
                Assert.True(gained == 0 || changes.Any(), $"{SmallWorld.Principals[caller]} gained {gained:b}, told nothing");
                gained &= world.Single;
                told[caller] &= world.Single;
                Assert.True(gained == told[caller], $"{SmallWorld.Principals[caller]} at {SmallWorld.Moments[moment]:u}: gained {gained:b}, told {told[caller]:b}");
            }
        }
    }
}
