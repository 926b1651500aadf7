using CsCheck;
using Identity.Policy.Analysis;
using Spiffe.Net;

namespace Identity.Policy.Tests.Analysis;

/// <summary>Who of an inventory may consume more, or less.</summary>
public sealed class CeilingImpactTests
{
    private const string Everyone = "spiffeIdPrefix: spiffe://example.org";

    private static readonly Principal Shop = Called("shop"), Bank = Called("bank"), Foreign = new() { Id = SpiffeId.Parse("spiffe://other.org/shop") };

    [Fact]
    public void A_memory_that_rises_for_all_is_counted_for_all_whom_the_rule_means()
    {
        var diff = PolicyDiff.Between(Policy(Permit(Everyone, "16MiB")), Policy(Permit(Everyone, "64MiB")), Samples.Now);
        Assert.Empty(diff.On([Shop, Bank, Foreign]).Gained);
        var impact = diff.CeilingsOn([Shop, Bank, Foreign]);
        Assert.Equal([Shop, Bank], impact.Gained.Select(gained => gained.Principal).Distinct());
        Assert.Empty(impact.Lost);
        Assert.All(impact.Gained, gained => Assert.Contains(gained.Change, diff.Gained));
        Assert.Equal([Shop, Bank], diff.CeilingsOn([Shop, Foreign, Bank]).Gained.Select(gained => gained.Principal).Distinct());
    }

    [Fact]
    public void Whoever_another_permit_still_holds_down_is_not_counted()
    {
        var held = Permit("spiffeId: spiffe://example.org/bank", "1MiB").Replace("name: r", "name: held", StringComparison.Ordinal);
        var diff = PolicyDiff.Between(Policy(Permit(Everyone, "16MiB"), held), Policy(Permit(Everyone, "64MiB"), held), Samples.Now);
        Assert.Equal([Shop], diff.CeilingsOn([Shop, Bank]).Gained.Select(gained => gained.Principal).Distinct());
    }

    [Fact]
    public void Whoever_is_forbidden_what_the_permit_grants_is_not_counted()
    {
        const string NotTheBank = "- { name: f, effect: forbid, subjects: [{ spiffeId: spiffe://example.org/bank }], capabilities: [start] }";
        var diff = PolicyDiff.Between(Policy(Permit(Everyone, "16MiB"), NotTheBank), Policy(Permit(Everyone, "64MiB"), NotTheBank), Samples.Now);
        Assert.Equal([Shop], diff.CeilingsOn([Shop, Bank]).Gained.Select(gained => gained.Principal).Distinct());
    }

    [Fact]
    public void A_permit_that_asks_for_what_cannot_be_told_counts_nobody()
    {
        var diff = PolicyDiff.Between(Policy(Permit("image: 'r.io/x:1'", "16MiB")), Policy(Permit("image: 'r.io/x:1'", "64MiB")), Samples.Now);
        Assert.Empty(diff.CeilingsOn([Shop, Shop with { Unknown = PrincipalAttributes.Image }]).Gained);
        Assert.Single(diff.CeilingsOn([Shop with { Image = ImageReference.Parse("r.io/x:1") }]).Gained);
        Assert.Single(diff.Gained);
    }

    [Fact]
    public void Whom_it_concerns_is_whoever_may_consume_more_by_enumeration()
    {
        var world = new AdmissionWorld();
        Cases.Each(AdmissionWorld.Pairs, Cases.Times(300), pair =>
        {
            var (before, after) = pair;
            var diff = PolicyDiff.Between(SmallWorld.Policy(before), SmallWorld.Policy(after), Samples.Now);
            // One that rises for a single request shows it by itself: here only whole admissions are enumerated.
            var counted = diff.CeilingsOn(SmallWorld.Principals).Gained.Select(gained => gained.Principal.ToString()).ToHashSet();
            for (var caller = 0; caller < SmallWorld.Principals.Length; caller++)
            {
                var rises = SmallWorld.Moments.Any(moment => world.Ceilings(before, caller, moment).Zip(world.Ceilings(after, caller, moment))
                    .Any(both => both.First is { } was && both.Second is { } will && (will.Fuel > was.Fuel || will.Memory > was.Memory)));
                Assert.True(!rises || counted.Contains(SmallWorld.Principals[caller].ToString()), $"{SmallWorld.Principals[caller]} may consume more and is not counted");
                if (counted.Contains(SmallWorld.Principals[caller].ToString()))
                    Assert.True(rises || diff.CeilingsOn([SmallWorld.Principals[caller]]).Gained.Any(gained => Rises(before, after, gained) || RisesForSomeComponent(before, after, gained)), $"{SmallWorld.Principals[caller]} is counted and consumes no more: {string.Join("; ", diff.CeilingsOn([SmallWorld.Principals[caller]]).Gained.Select(gained => $"{gained.Change} by {gained.Request} at {gained.At:u}"))}");
            }
        });
    }

    // What a component asks for may be no part of the world: another interface of a package that is granted, another function of an interface of which one is
    // forbidden. Then it is decided about components that ask for these beside some of the world.
    private static bool RisesForSomeComponent(PolicyRule[] before, PolicyRule[] after, PrincipalImpact impact)
    {
        var (was, will) = (SmallWorld.Policy(before), SmallWorld.Policy(after));
        CapabilityRequest[][] others = [[], [CapabilityRequest.Parse("import a:b/c@0.2.0#g")], [CapabilityRequest.Parse("import a:b/x@0.2.0#x")]];
        return others.Any(other => AdmissionWorld.Shapes.Any(shape =>
        {
            var component = AdmissionWorld.ComponentOf(shape, impact.Principal, [impact.Request, .. other]);
            return ComponentAdmission.Decide(was, component, impact.At) is Decision.Admitted first && ComponentAdmission.Decide(will, component, impact.At) is Decision.Admitted then
                && (then.Ceilings.Fuel > first.Ceilings.Fuel || then.Ceilings.MemoryBytes > first.Ceilings.MemoryBytes);
        }));
    }

    // Of a single request the smallest of what its permits state.
    private static bool Rises(PolicyRule[] before, PolicyRule[] after, PrincipalImpact impact)
    {
        return Of(after, rule => rule.Ceilings.Fuel, 1_000_000_000) > Of(before, rule => rule.Ceilings.Fuel, 1_000_000_000)
            || Of(after, rule => rule.Ceilings.MemoryBytes, 16 << 20) > Of(before, rule => rule.Ceilings.MemoryBytes, 16 << 20);

        long Of(PolicyRule[] rules, Func<PolicyRule, long?> stated, long byDefault) => rules
            .Where(rule => rule.Effect == RuleEffect.Permit && rule.Mode != RuleMode.Shadow && !(rule.Expires <= impact.At)
                && rule.Subjects.Any(subject => Enumeration.Means(subject, impact.Principal, permits: true)) && rule.Capabilities.Any(capability => AdmissionWorld.Means(capability, impact.Request)))
            .Min(stated) ?? byDefault;
    }

    private static Principal Called(string name) => new() { Id = SpiffeId.Parse("spiffe://example.org/" + name) };

    private static string Permit(string subject, string memory) => $"- {{ name: r, effect: permit, subjects: [{{ {subject} }}], capabilities: [start], ceilings: {{ memory: {memory} }} }}";

    private static CapabilityPolicy Policy(params string[] rules) => Samples.Policy("kind: CapabilityPolicy\nname: p\nrules:\n" + string.Concat(rules.Select(rule => $"  {rule}\n")));
}
