using CsCheck;
using Identity.Policy.Analysis;
using Identity.Policy.Tests.Language;

namespace Identity.Policy.Tests.Analysis.Smt;

/// <summary>
/// On policies of hundreds of rules, where nothing can be enumerated, decisions, differences, checks and suggestions are what Z3 says
/// (docs/policy-verification.md).
/// </summary>
public sealed class Z3Tests
{
    /// <summary>Kinds of requests, and rules in a policy.</summary>
    public static MatrixTheoryData<int, int> Differences { get; } = new(Enumerable.Range(0, SmtRequests.All.Length), [20, 100]);

    public static TheoryData<int> Kinds { get; } = [.. Enumerable.Range(0, SmtRequests.All.Length)];

    [Theory]
    [MemberData(nameof(Differences))]
    [InlineData(0, 300)]
    public void A_difference_is_there_exactly_when_the_solver_finds_one(int kind, int rules) => With(kind, (z3, about) =>
    {
        // Revisions: one rule gone, one moved, one new; sometimes only what does not matter.
        // And labels are given to others, where there are any.
        var pairs = Gen.Select(about.Rules.Array[rules], about.Rules, Gen.Int[0, rules - 1], about.Labels, about.Labels, Gen.Int[0, 2], (before, extra, at, labels, others, how) => (
            Before: new SmtPolicy(Named(before), labels), After: new SmtPolicy(Named([.. before.Where((_, index) => index != at), extra]), how == 0 ? labels : how == 1 ? [.. labels.Skip(1)] : [.. labels.Take(2), .. others.Take(1)])));
        Cases.Each(pairs, Cases.Times(10), pair =>
        {
            var diff = PolicyDiff.Between(pair.Before.Compiled, pair.After.Compiled, Samples.Now);
            Assert.True(diff.IsComplete);
            AssertGained(z3, pair.Before, pair.After, OfRights(diff.Gained));
            AssertGained(z3, pair.After, pair.Before, OfRights(diff.Lost));
        });

        static List<AuthorityChange> OfRights(IEnumerable<AuthorityChange> changes) => [.. changes.Where(change => change.Login is null)];
    });

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Rules_are_needless_exactly_when_the_solver_finds_no_difference_without_them(int kind) => With(kind, (z3, about) => Cases.Each(PoliciesOf(about, 40), Cases.Times(3), policy =>
    {
        var called = PolicyCheck.Find(policy.Compiled, PolicyInventory.Empty, Samples.Now).Select(warning => warning.Rule!.Value.Rule).ToHashSet();
        var kept = policy.With(policy.Rules.Where(rule => !called.Contains(rule.Name)));
        Assert.False(z3.Finds($"(xor {z3.Allowed(policy)} {z3.Allowed(kept)})"));
        foreach (var rule in kept.Deciding)
        {
            // What a forbid of one right takes of the others is no question of these worlds: SmtJetStream has all three.
            if (rule.Effect == RuleEffect.Forbid && z3.About is SmtBucket or SmtAccess) continue;
            // A permit is needed when some answer is its alone; a forbid, when no other one forbids all that it does.
            var others = kept.With(kept.Rules.Where(other => other != rule));
            var alone = rule.Effect == RuleEffect.Permit ? $"(not {z3.Allowed(others)}) {z3.Allowed(kept)}" : $"{z3.Means(kept, rule)} (not {z3.AnyOf(others, RuleEffect.Forbid)})";
            Assert.True(z3.Finds($"(and {alone})"), $"{rule.Name} is needless and is not called so, among\n{Cases.Show(kept.Deciding.ToArray())}");
        }
    }));

    [Theory]
    [MemberData(nameof(Kinds))]
    public void What_is_suggested_is_exactly_what_was_seen(int kind) => With(kind, (z3, about) => Cases.Each(Gen.Select(SmtCaller.Principals, about.Requests).Array[30], Cases.Times(5), picks =>
    {
        Observation[] seen = [.. picks.Select(pick => new Observation(pick.Item1, pick.Item2))];
        var suggestion = PolicySuggest.For(CapabilityPolicy.Empty, seen, Samples.Now);
        var suggested = z3.Allowed(new SmtPolicy([.. suggestion.Source is { } source ? Samples.Document(source).Rules : []], []));
        var any = Formula.Or(seen.Select(one => (One: one, Capability: one.Request.ToCapability())).Where(one => PlainMeaning.IsGrantable(one.Capability.ToString())).Select(one =>
        {
            var digest = (one.One.Principal.Unknown & PrincipalAttributes.Digest) == 0 ? one.One.Principal.Digest : null;
            return Formula.And([SmtCaller.Means(new PolicySubject { SpiffeId = one.One.Principal.Id, Digest = digest }, permits: true), about.Means(one.Capability, permits: true)]);
        }));
        Assert.False(z3.Finds($"(and {any} (not {suggested}))"));
        Assert.False(z3.Finds($"(and {about.IsOne} {suggested} (not {any}))"));
    }));

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Decisions_are_those_of_the_solver(int kind) => With(kind, (z3, about) => Cases.Each(Gen.Select(PoliciesOf(about, 100), SmtCaller.Principals.Array[20], about.Requests.Where(IsWritten).Array[20]), Cases.Times(2), asked =>
    {
        var (written, principals, requests) = asked;
        var policy = written.Compiled;
        var at = Samples.Now.AddHours(1);
        z3.Push($"(assert {z3.Allowed(written)})");
        for (var i = 0; i < principals.Length; i++)
        {
            var allowed = z3.Finds(Formula.And([SmtCaller.At(principals[i], at), about.At(requests[i])]));
            Assert.True(allowed == NatsRights.Decide(policy, principals[i], requests[i], at).Allowed, $"{principals[i]} asks for {requests[i]}: {allowed} by the solver");
        }

        z3.Pop();
    }));

    // A token of a subject that stands for any is no value of a variable.
    private static bool IsWritten(CapabilityRequest request) =>
        request is not (CapabilityRequest.NatsPublish or CapabilityRequest.NatsSubscribe or CapabilityRequest.Bucket) || !request.ToString().Contains('*', StringComparison.Ordinal);

    private static Gen<SmtPolicy> PoliciesOf(SmtRequests about, int rules) => Gen.Select(about.Rules.Array[rules], about.Labels, (rules, labels) => new SmtPolicy(Named(rules), labels));

    private static void AssertGained(SmtQuestions z3, SmtPolicy before, SmtPolicy after, List<AuthorityChange> gained)
    {
        z3.Push($"(assert {z3.Allowed(after)})(assert (not {z3.Allowed(before)}))");
        Assert.Equal(gained.Count > 0, z3.Finds("true"));
        foreach (var change in gained)
            Assert.True(z3.Finds(Formula.And([SmtCaller.At(change.Example!.Principal, change.Example.At), z3.About.At(change.Example.Request)])), $"{change.Example} is no difference");
        z3.Pop();
    }

    private static void With(int kind, Action<SmtQuestions, SmtRequests> ask)
    {
        using var questions = new SmtQuestions(Z3Solver.OrSkip(), SmtRequests.All[kind]);
        ask(questions, questions.About);
    }

    private static PolicyRule[] Named(PolicyRule[] rules) => [.. rules.Select((rule, number) => rule with { Name = $"r{number}" })];
}
