using Identity.Policy.Analysis;

namespace Identity.Policy.Tests.Analysis.Boards;

/// <summary>
/// Whom of an inventory a difference concerns, beside the tables of random policies: exactly those who gain or lose something that they may ask
/// for, or may consume more or less (docs/policy-verification.md).
/// </summary>
public sealed class ManyImpactsTests
{
    private const int MostRules = 5;

    private readonly Answers _before = new();
    private readonly Answers _after = new();
    private readonly AdmissionAnswers _was = new();
    private readonly AdmissionAnswers _will = new();
    private (PolicyRule[] Before, PolicyRule[] After) _pair;

    [Fact]
    public void A_difference_concerns_exactly_those_of_an_inventory_who_gain_or_lose_something() => Cases.Many(Cases.Times(3_000), draw =>
    {
        var board = Board.Of(draw);
        var ceilings = draw.OneIn(3);
        var before = board.Rules(draw, MostRules, ceilings);
        var after = board.After(draw, before, MostRules, ceilings);
        _pair = (board.Written(before), board.Written(after));
        var diff = PolicyDiff.Between(SmallWorld.Policy(_pair.Before), SmallWorld.Policy(_pair.After), Samples.Now);
        var inventory = InventoryOf(draw, board.Who);
        var registered = Array.ConvertAll(inventory, caller => board.Who.Callers[caller]);
        var (allowed, consumed) = (diff.On(registered), diff.CeilingsOn(registered));
        _before.Read(board, before);
        _after.Read(board, after);
        // What changes of a login beyond single rights has a board of its own (ManyLoginsTests).
        AssertConcerned(board, inventory, OfRights(allowed.Gained), diff.Gained, (before, _before), (after, _after));
        AssertConcerned(board, inventory, OfRights(allowed.Lost), diff.Lost, (after, _after), (before, _before));
        AssertNobodyIsMissing(Told(board.Who, inventory, consumed.Gained), Risen(_before, _after), inventory, "may consume more");
        AssertNobodyIsMissing(Told(board.Who, inventory, consumed.Lost), Risen(_after, _before), inventory, "may consume less");
        AssertDepending(board.Who, inventory, registered, diff);
    }, () => _pair);

    [Fact]
    public void What_is_not_decided_may_concern_exactly_those_of_an_inventory_whom_its_rules_may_mean() => Cases.Many(Cases.Times(300), draw =>
    {
        var board = Board.Of(draw);
        var before = board.Rules(draw, MostRules, draw.OneIn(3));
        var after = board.After(draw, before, MostRules, draw.OneIn(3));
        _pair = (board.Written(before), board.Written(after));
        var diff = PolicyDiff.Between(SmallWorld.Policy(_pair.Before), SmallWorld.Policy(_pair.After), Samples.Now, work: draw.Of(200));
        var inventory = InventoryOf(draw, board.Who);
        AssertDepending(board.Who, inventory, Array.ConvertAll(inventory, caller => board.Who.Callers[caller]), diff);
    }, () => _pair);

    [Fact]
    public void A_ceiling_rises_or_falls_for_exactly_those_of_an_inventory_of_whom_some_component_may_consume_more_or_less() => Cases.Many(Cases.Times(1_000), draw =>
    {
        var who = CallerBoard.All[draw.Of(CallerBoard.All.Length)];
        var before = AdmissionDraw.Rules(draw, who);
        var after = AdmissionDraw.After(draw, who, before);
        _pair = (AdmissionDraw.Written(who, before), AdmissionDraw.Written(who, after));
        var diff = PolicyDiff.Between(SmallWorld.Policy(_pair.Before), SmallWorld.Policy(_pair.After), Samples.Now);
        var inventory = InventoryOf(draw, who);
        var impact = diff.CeilingsOn(Array.ConvertAll(inventory, caller => who.Callers[caller]));
        var (up, down) = (default(Rises), default(Rises));
        for (var moment = 0; moment < Board.Moments.Length; moment++)
        {
            _was.Read(who, before, moment);
            _will.Read(who, after, moment);
            up = up.Or(AdmissionAnswers.Between(_was, _will));
            down = down.Or(AdmissionAnswers.Between(_will, _was));
        }

        AssertRises(who, inventory, impact.Gained, up, diff.Gained);
        AssertRises(who, inventory, impact.Lost, down, diff.Lost);
    }, () => _pair);

    private static List<PrincipalImpact> OfRights(IEnumerable<PrincipalImpact> impacts) => [.. impacts.Where(impact => impact.Change.Kind != AuthorityChangeKind.Login)];

    /// <summary>Some of the callers, in any order.</summary>
    private static int[] InventoryOf(Draw draw, CallerBoard who)
    {
        var inventory = Enumerable.Range(0, who.Callers.Length).Where(_ => !draw.OneIn(4)).ToArray();
        for (var i = inventory.Length - 1; i > 0; i--)
        {
            var other = draw.Of(i + 1);
            (inventory[i], inventory[other]) = (inventory[other], inventory[i]);
        }

        return inventory;
    }

    private static void AssertConcerned(
        Board board, int[] inventory, List<PrincipalImpact> impacts, IReadOnlyCollection<AuthorityChange> changes, (DrawnRule[] Rules, Answers Answers) before, (DrawnRule[] Rules, Answers Answers) after)
    {
        var told = Told(board.Who, inventory, impacts);
        var gained = 0ul;
        for (var at = 0; at < before.Answers.Allowed.Length; at++) gained |= after.Answers.Allowed[at] & ~before.Answers.Allowed[at];
        AssertNobodyIsMissing(told, gained, inventory, "gains something");

        // That nobody is told who does not: each with a request that shows it.
        foreach (var impact in impacts)
        {
            var (caller, moment) = (board.Who.Callers.IndexOf(impact.Principal), Board.Moments.IndexOf(impact.At));
            Assert.Contains(impact.Change, changes);
            Assert.True(moment >= 0, $"nothing begins or ends at {impact.At:u}");
            Assert.False(board.Allows(before.Rules, caller, impact.Request, moment), $"{impact.Principal} had {impact.Request} already");
            Assert.True(board.Allows(after.Rules, caller, impact.Request, moment), $"{impact.Principal} does not get {impact.Request}");
        }

        // Each by a change that means it. What two changes say may be told by one of them.
        foreach (var same in impacts.GroupBy<PrincipalImpact, AuthorityChange>(impact => impact.Change, ReferenceEqualityComparer.Instance))
        {
            var meant = board.Who.Permitted(same.Key.Permit.Subject) & (same.Key.Lifted is { } lifted ? board.Who.MayBe(lifted.Subject) : ulong.MaxValue);
            Assert.Equal(0ul, Told(board.Who, inventory, [.. same]) & ~meant);
        }
    }

    private static void AssertRises(CallerBoard who, int[] inventory, IReadOnlyCollection<PrincipalImpact> impacts, Rises rises, IReadOnlyCollection<AuthorityChange> changes)
    {
        var mask = inventory.Aggregate(0ul, (bits, caller) => bits | 1ul << caller);
        Assert.All(impacts, impact => Assert.Contains(impact.Change, changes));
        Told(who, inventory, impacts);
        Assert.Equal((rises.Fuel & mask, rises.Memory & mask), (Of("fuel "), Of("memory ")));

        ulong Of(string limit) => impacts.Where(impact => impact.Change.Ceiling!.StartsWith(limit, StringComparison.Ordinal)).Aggregate(0ul, (bits, impact) => bits | 1ul << who.Callers.IndexOf(impact.Principal));
    }

    // Whom the rules of a change may mean and do not mean for certain; of what is not decided whomever they may mean.
    private static void AssertDepending(CallerBoard who, int[] inventory, Principal[] registered, PolicyDiff diff)
    {
        var depending = diff.DependingOn(new InventoryIndex(registered));
        var mask = inventory.Aggregate(0ul, (bits, caller) => bits | 1ul << caller);
        foreach (var change in diff.Gained.Concat(diff.Lost))
        {
            var isUndecided = change.Kind == AuthorityChangeKind.Undecided;
            var (may, are) = (mask, mask);
            foreach (var subject in (PolicySubject[])[change.Held?.Subject ?? change.Permit.Subject, .. change.Beside.Select(clause => clause.Subject), .. isUndecided && change.Lifted is { } lifted ? [lifted.Subject] : Array.Empty<PolicySubject>()])
                (may, are) = (may & who.MayBe(subject), are & who.Permitted(subject));
            var groups = depending.Of(change);
            Assert.All(groups, group => Assert.Equal(isUndecided, group.On == PrincipalAttributes.None));
            // What it depends on is not told of them.
            Assert.All(groups, group => Assert.All(group.Principals, principal => Assert.Equal(PrincipalAttributes.None, group.On & ~(principal.Unknown | Half(principal)))));
            Assert.All(groups, group => Assert.Equal(group.Principals.OrderBy(principal => Array.IndexOf(registered, principal)), group.Principals));
            var told = groups.SelectMany(group => group.Principals).Select(principal => who.Callers.IndexOf(principal)).ToArray();
            Assert.Equal(told.Length, told.Distinct().Count());
            Assert.Equal(isUndecided ? may : may & ~are, told.Aggregate(0ul, (bits, caller) => bits | 1ul << caller));
        }

        // Of an image perhaps the tag or the digest, of signers perhaps those that are no keys.
        static PrincipalAttributes Half(Principal principal) =>
            (principal.Image is null ? PrincipalAttributes.None : PrincipalAttributes.Image) | ((principal.Unknown & PrincipalAttributes.NamedSigner) != 0 ? PrincipalAttributes.Signer : PrincipalAttributes.None);
    }

    // Whoever may ask for something before and after, and may then consume more.
    private static ulong Risen(Answers before, Answers after)
    {
        var risen = 0ul;
        for (var at = 0; at < before.Allowed.Length; at++)
            risen |= before.Allowed[at] & ((after.AboveLeast[at] & ~before.AboveLeast[at]) | (after.AboveDefault[at] & ~before.AboveDefault[at]));
        return risen;
    }

    /// <summary>The callers that are told, as bits; in the order of the inventory.</summary>
    private static ulong Told(CallerBoard who, int[] inventory, IReadOnlyCollection<PrincipalImpact> impacts)
    {
        var told = impacts.Select(impact => who.Callers.IndexOf(impact.Principal)).ToArray();
        var places = Array.ConvertAll(told, caller => Array.IndexOf(inventory, caller));
        Assert.DoesNotContain(-1, places);
        Assert.Equal(places.Order(), places);
        return told.Aggregate(0ul, (bits, caller) => bits | 1ul << caller);
    }

    private static void AssertNobodyIsMissing(ulong told, ulong expected, int[] inventory, string what)
    {
        foreach (var caller in inventory)
        {
            if ((expected >> caller & 1) != 0 && (told >> caller & 1) == 0) Assert.Fail($"caller {caller} {what} and is not told");
        }
    }
}
