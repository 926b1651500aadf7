using Identity.Policy.Analysis;

namespace Identity.Policy.Tests.Analysis.Boards;

/// <summary>
/// Differences, checks and decisions of random policies beside their tables: by default ten thousand of each, millions in a long run
/// (docs/policy-verification.md).
/// </summary>
public sealed class ManyPoliciesTests
{
    private const int Policies = 10_000;
    private const int MostRules = 5;

    /// <summary>How often every caller and request of a board is decided about, and not one of each at random.</summary>
    private const int OneWholeIn = 25;

    private readonly Answers _before = new();
    private readonly Answers _after = new();
    private readonly Telling _telling = new();
    private (PolicyRule[] Before, PolicyRule[] After) _pair;

    [Fact]
    public void Every_difference_is_what_enumeration_says() => Cases.Many(Cases.Times(Policies), draw =>
    {
        var board = Board.Of(draw);
        var before = board.Rules(draw, MostRules);
        var after = board.After(draw, before, MostRules);
        _pair = (board.Written(before), board.Written(after));
        var (was, will) = (SmallWorld.Policy(_pair.Before), SmallWorld.Policy(_pair.After));
        var diff = PolicyDiff.Between(was, will, Samples.Now);
        Assert.True(diff.IsComplete);
        _before.Read(board, before);
        _after.Read(board, after);
        // What logins make of rights together has boards of its own (ManyLoginsTests).
        List<AuthorityChange> gained = [.. diff.Gained.Where(change => change.Login is null)], lost = [.. diff.Lost.Where(change => change.Login is null)];
        AssertTold(board, gained, _before, _after);
        AssertTold(board, lost, _after, _before);
        foreach (var change in gained) AssertDiffer(change, was, will);
        foreach (var change in lost) AssertDiffer(change, will, was);
        AssertDecides(draw, board, will, _after);
    }, () => _pair);

    [Fact]
    public void Without_the_rules_that_are_called_needless_every_answer_is_the_same_and_each_other_permit_changes_one() => Cases.Many(Cases.Times(Policies), draw =>
    {
        var board = Board.Of(draw);
        var rules = board.Rules(draw, MostRules, ceilings: draw.OneIn(3));
        _pair = (board.Written(rules), []);
        var policy = SmallWorld.Policy(_pair.Before);
        var needless = 0ul;
        foreach (var warning in PolicyCheck.Find(policy, PolicyInventory.Empty, Samples.Now))
        {
            Assert.True(warning.Kind is PolicyWarningKind.Dead or PolicyWarningKind.Shadowed or PolicyWarningKind.Contradiction, warning.Text);
            needless |= 1ul << Board.Names.IndexOf(warning.Rule!.Value.Rule);
        }

        _before.Read(board, rules);
        _after.Read(board, rules, needless);
        Assert.True(_before.AreAs(_after, ceilings: true), $"without {needless:b} something changes");
        for (var rule = 0; rule < rules.Length; rule++)
        {
            // A forbid of what nobody permits holds a line; it is not called needless.
            if (!rules[rule].Permits || !rules[rule].Decides || (needless >> rule & 1) != 0) continue;
            _before.Read(board, rules, needless | 1ul << rule);
            if (_before.AreAs(_after, ceilings: true)) AssertNeeded(rules, needless, rule);
        }
    }, () => _pair.Before);

    private void AssertTold(Board board, List<AuthorityChange> changes, Answers before, Answers after)
    {
        _telling.Clear();
        foreach (var change in changes)
        {
            if (IsAboutResponses(change)) continue;
            Assert.Equal(AuthorityChangeKind.Authority, change.Kind);
            _telling.Add(board, change);
        }

        for (var at = 0; at < _telling.Told.Length; at++)
        {
            var gained = after.Allowed[at] & ~before.Allowed[at];
            // Parts speak of single names; that no pattern can be asked for either is what an empty difference proves.
            if (changes.Count > 0 && (board.What.Single >> at % Answers.Rows & 1) == 0) continue;
            if (gained != _telling.Told[at]) Assert.Fail($"{board.What.Requests[at % Answers.Rows]} at {Board.Moments[at / Answers.Rows]:u}: {gained:x} gained, {_telling.Told[at]:x} told");
        }
    }

    // How often, and how late, one may respond are ceilings, and the only ones here.
    private static bool IsAboutResponses(AuthorityChange change) =>
        change.Kind == AuthorityChangeKind.Ceiling && change.Ceiling!.StartsWith("natsRespond ", StringComparison.Ordinal);

    private static void AssertDiffer(AuthorityChange change, CapabilityPolicy was, CapabilityPolicy will)
    {
        var example = change.Example!;
        Assert.Equal(IsAboutResponses(change), NatsRights.Decide(was, example.Principal, example.Request, example.At).Allowed);
        Assert.True(NatsRights.Decide(will, example.Principal, example.Request, example.At).Allowed, $"{example} is not allowed");
    }

    private static void AssertDecides(Draw draw, Board board, CapabilityPolicy policy, Answers answers)
    {
        var moment = draw.Of(Board.Moments.Length);
        if (!draw.OneIn(OneWholeIn))
        {
            AssertDecides(board, policy, answers, draw.Of(board.Who.Callers.Length), draw.Of(board.What.Requests.Length), moment);
            return;
        }

        for (var request = 0; request < board.What.Requests.Length; request++)
        {
            for (var caller = 0; caller < board.Who.Callers.Length; caller++) AssertDecides(board, policy, answers, caller, request, moment);
        }
    }

    private static void AssertDecides(Board board, CapabilityPolicy policy, Answers answers, int caller, int request, int moment)
    {
        var decided = NatsRights.Decide(policy, board.Who.Callers[caller], board.What.Requests[request], Board.Moments[moment]).Allowed;
        if (decided != ((answers.Allowed[moment * Answers.Rows + request] >> caller & 1) != 0))
            Assert.Fail($"{board.Who.Callers[caller]} asks for {board.What.Requests[request]} at {Board.Moments[moment]:u}: {decided}");
    }

    // A board does not hold every request for several things at once; the difference that is told then has an example.
    private void AssertNeeded(DrawnRule[] rules, ulong needless, int rule)
    {
        PolicyRule[] kept = [.. _pair.Before.Where((_, number) => (needless >> number & 1) == 0)];
        var (was, will) = (SmallWorld.Policy(kept), SmallWorld.Policy([.. kept.Where(other => other != _pair.Before[rule])]));
        var diff = PolicyDiff.Between(was, will, Samples.Now);
        Assert.True(diff.Gained.Concat(diff.Lost).Any(change => change.Login is null), $"{Board.Names[rule]} changes nothing and is not called so");
        foreach (var change in diff.Lost.Where(change => change.Login is null && rules[rule].Fuel == 0)) AssertDiffer(change, will, was);
    }
}
