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
        var before = AdmissionDraw.Rules(draw, who);
        var after = AdmissionDraw.After(draw, who, before);
        _pair = (AdmissionDraw.Written(who, before), AdmissionDraw.Written(who, after));
        var (was, will) = (SmallWorld.Policy(_pair.Before), SmallWorld.Policy(_pair.After));
        var diff = PolicyDiff.Between(was, will, Samples.Now);
        Assert.True(diff.IsComplete);
        var (up, down) = (default(Rises), default(Rises));
        for (var moment = 0; moment < Board.Moments.Length; moment++)
        {
            _before.Read(who, before, moment);
            _after.Read(who, after, moment);
            up = up.Or(AdmissionAnswers.Between(_before, _after));
            down = down.Or(AdmissionAnswers.Between(_after, _before));
            AssertAdmits(draw, who, will, moment);
        }

        AssertTold(diff.Gained, up, was, will);
        AssertTold(diff.Lost, down, will, was);
    }, () => _pair);

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

        Assert.Equal((rises.Fuel != 0, rises.Memory != 0), (fuel, memory));
    }

    private void AssertAdmits(Draw draw, CallerBoard who, CapabilityPolicy policy, int moment)
    {
        var (caller, imports, exports) = (draw.Of(who.Callers.Length), draw.Of(AdmissionBoard.Imports.Length), draw.Of(AdmissionBoard.Exports.Length));
        var decided = ComponentAdmission.Decide(policy, AdmissionBoard.Component(who.Callers[caller], imports, exports), Board.Moments[moment]) as Decision.Admitted;
        (long, long)? expected = (_after.Admitted(imports) >> caller & 1) != 0 ? _after.CeilingsOf(caller, AdmissionBoard.AskedBy(imports, exports)) : null;
        Assert.Equal(expected, decided is null ? null : (decided.Ceilings.Fuel, decided.Ceilings.MemoryBytes));
    }
}
