using Identity.Policy.Analysis;

namespace Identity.Policy.Tests.Analysis.Boards;

/// <summary>
/// What components may consume under random policies, beside their tables: a rise is told exactly when there is one (docs/policy-verification.md).
/// </summary>
public sealed class ManyCeilingsTests
{
    private readonly AdmissionAnswers _before = new();
    private readonly AdmissionAnswers _after = new();
    private (PolicyRule[] Before, PolicyRule[] After) _pair;

    [Fact]
    public void A_rise_of_a_ceiling_is_told_exactly_when_there_is_one() => Cases.Many(Cases.Times(10_000), draw =>
    {
        var who = CallerBoard.All[draw.Of(CallerBoard.All.Length)];
        var before = Rules(draw, who);
        var after = After(draw, who, before);
        _pair = (Written(who, before), Written(who, after));
        var (was, will) = (SmallWorld.Policy(_pair.Before), SmallWorld.Policy(_pair.After));
        var diff = PolicyDiff.Between(was, will, Samples.Now);
        Assert.True(diff.IsComplete);
        var (up, down) = (default(Rises), default(Rises));
        for (var moment = 0; moment < Board.Moments.Length; moment++)
        {
            _before.Read(who, before, moment);
            _after.Read(who, after, moment);
            up = Or(up, AdmissionAnswers.Between(_before, _after));
            down = Or(down, AdmissionAnswers.Between(_after, _before));
            AssertAdmits(draw, who, will, moment);
        }

        AssertTold(diff.Gained, up, was, will);
        AssertTold(diff.Lost, down, will, was);
    }, () => _pair);

    private static Rises Or(Rises one, Rises other) => new(one.Fuel || other.Fuel, one.Memory || other.Memory);

    private static void AssertTold(IEnumerable<AuthorityChange> changes, Rises rises, CapabilityPolicy was, CapabilityPolicy will)
    {
        var (fuel, memory) = (false, false);
        foreach (var change in changes)
        {
            if (change.Kind != AuthorityChangeKind.Ceiling) continue;
            AdmissionCeilingOracleTests.AssertRises(change, was, will);
            fuel |= change.Ceiling!.StartsWith("fuel ", StringComparison.Ordinal);
            memory |= change.Ceiling.StartsWith("memory ", StringComparison.Ordinal);
        }

        Assert.Equal(rises, new Rises(fuel, memory));
    }

    private void AssertAdmits(Draw draw, CallerBoard who, CapabilityPolicy policy, int moment)
    {
        var (caller, imports, exports) = (draw.Of(who.Callers.Length), draw.Of(AdmissionBoard.Imports.Length), draw.Of(AdmissionBoard.Exports.Length));
        var decided = ComponentAdmission.Decide(policy, AdmissionBoard.Component(who.Callers[caller], imports, exports), Board.Moments[moment]) as Decision.Admitted;
        (long, long)? expected = (_after.Admitted(imports) >> caller & 1) != 0 ? _after.CeilingsOf(caller, AdmissionBoard.AskedBy(imports, exports)) : null;
        Assert.Equal(expected, decided is null ? null : (decided.Ceilings.Fuel, decided.Ceilings.MemoryBytes));
    }

    private static AdmissionRule[] Rules(Draw draw, CallerBoard who)
    {
        var rules = new AdmissionRule[draw.Of(7)];
        for (var i = 0; i < rules.Length; i++) rules[i] = Rule(draw, who);
        return rules;
    }

    private static AdmissionRule Rule(Draw draw, CallerBoard who)
    {
        var permits = !draw.OneIn(8);
        var capabilities = 1u << draw.Of(AdmissionBoard.Capabilities.Length);
        while (draw.OneIn(2)) capabilities |= 1u << draw.Of(AdmissionBoard.Capabilities.Length);
        return new AdmissionRule(
            permits, draw.Of(10) switch { 0 => RuleMode.Shadow, 1 => RuleMode.Warn, _ => RuleMode.Enforce }, permits && draw.OneIn(4) ? draw.Of(3) : Board.Moments.Length,
            draw.Of(who.Subjects.Length), capabilities, permits && draw.OneIn(2) ? draw.Of(AdmissionBoard.Fuels.Length) : 0, permits && draw.OneIn(3) ? draw.Of(AdmissionBoard.Memories.Length) : 0);
    }

    // Revisions: a rule gone or new, a ceiling stated otherwise or no more, a permit that ends at another time, or all of it another.
    private static AdmissionRule[] After(Draw draw, CallerBoard who, AdmissionRule[] before)
    {
        if (before.Length == 0) return Rules(draw, who);
        var at = draw.Of(before.Length);
        return draw.Of(9) switch
        {
            0 => Rules(draw, who),
            1 or 2 => [.. before[..at], .. before[(at + 1)..]],
            3 => [.. before, Rule(draw, who)],
            4 => With(Rule(draw, who)),
            5 when before[at].Permits => With(before[at] with { Moments = draw.Of(Board.Moments.Length + 1) }),
            _ when before[at].Permits => With(before[at] with { Fuel = draw.Of(AdmissionBoard.Fuels.Length), Memory = draw.Of(AdmissionBoard.Memories.Length) }),
            _ => [.. before[..at], .. before[(at + 1)..]],
        };

        AdmissionRule[] With(AdmissionRule rule) => [.. before[..at], rule, .. before[(at + 1)..]];
    }

    private static PolicyRule[] Written(CallerBoard who, AdmissionRule[] rules) =>
    [
        .. rules.Select((rule, number) => new PolicyRule
        {
            Name = Board.Names[number],
            Effect = rule.Permits ? RuleEffect.Permit : RuleEffect.Forbid,
            Mode = rule.Mode,
            Subjects = [who.Subjects[rule.Subject]],
            Capabilities = [.. AdmissionBoard.Capabilities.Where((_, capability) => (rule.Capabilities >> capability & 1) != 0)],
            Expires = rule.Permits && rule.Moments < Board.Moments.Length ? Samples.Now.AddHours(rule.Moments == 0 ? -1 : rule.Moments) : null,
            Ceilings = rule.Fuel == 0 && rule.Memory == 0 ? StatedCeilings.None : new StatedCeilings { Fuel = AdmissionBoard.Fuels[rule.Fuel], MemoryBytes = AdmissionBoard.Memories[rule.Memory] },
        }),
    ];
}
