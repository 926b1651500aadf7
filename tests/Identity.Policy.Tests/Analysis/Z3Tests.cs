using System.Globalization;
using CsCheck;
using Identity.Policy.Analysis;
using Spiffe.Net;

namespace Identity.Policy.Tests.Analysis;

/// <summary>
/// On policies of hundreds of rules, where nothing can be enumerated, a difference is there exactly when Z3 finds one, and our example is one
/// in Z3's eyes. The formula is written from docs/policy.md: callers are sequences of segments with a digest and a host, requests are NATS
/// subjects (or all below one).
/// </summary>
public sealed class Z3Tests
{
    private const int Segments = 4;
    private const int Tokens = 5;
    private const int Pairs = 12;
    private const int Absent = -1;
    private const int Unknown = -2;

    private static readonly string[] Words = ["a", "b", "c", "d"];

    private static readonly string Declarations =
        string.Concat(Enumerable.Range(0, Segments).Select(i => $"(declare-const s{i} Int)(declare-const h{i} Int)"))
        + string.Concat(Enumerable.Range(0, Tokens).Select(i => $"(declare-const t{i} Int)"))
        + "(declare-const sn Int)(declare-const hn Int)(declare-const digest Int)(declare-const tn Int)(declare-const tail Bool)"
        // A host of no segments is none; of -2, one that cannot be told. A subject has a token, or all below none.
        + $"(assert (and (>= sn 1) (<= sn {Segments}) (or (= hn {Unknown}) (and (>= hn 0) (<= hn {Segments}))) (>= digest {Unknown}) (>= tn 0) (<= tn {Tokens}) (or tail (>= tn 1))))";

    private static readonly Gen<string> Path = Gen.Int[0, 3].Array[1, 3].Select(segments => string.Join('/', segments.Select(segment => Words[segment])));

    private static readonly Gen<string> Subject = Gen.Select(Gen.Int[0, 4].Array[1, 3], Gen.Int[0, 2], (tokens, tail) =>
        string.Join('.', [.. tokens.Select((token, at) => token < 4 || at == 0 ? Words[token % 4] : "*"), .. tail == 0 ? [">"] : Array.Empty<string>()]));

    private static readonly Gen<PolicyRule> Rule = Gen.Select(Gen.Int[0, 2], Path, Path, Gen.Int[0, 9], Subject, (effect, id, host, how, subject) => new PolicyRule
    {
        Name = "unnamed",
        Effect = effect > 0 ? RuleEffect.Permit : RuleEffect.Forbid,
        Subjects =
        [
            new PolicySubject
            {
                SpiffeId = how < 4 ? SpiffeId.Parse("spiffe://t/" + id) : null,
                SpiffeIdPrefix = how >= 4 && how != 8 ? SpiffeIdPrefix.Parse("spiffe://t/" + id) : null,
                Digest = how is 2 or 5 or 8 ? DigestOf(id.Length % 2) : null,
                HostPrefix = how is 3 or 6 ? SpiffeIdPrefix.Parse("spiffe://t/" + host) : null,
            },
        ],
        Capabilities = [new Capability.NatsPublish(NatsSubject.Parse(subject))],
    });

    [Theory]
    [InlineData(20)]
    [InlineData(100)]
    [InlineData(300)]
    public void A_difference_is_there_exactly_when_the_solver_finds_one(int rules)
    {
        using var z3 = Z3Solver.OrSkip();
        z3.Run("(set-option :print-success false)" + Declarations);
        var number = 0;
        // Revisions: one rule gone, one moved, one new; sometimes only what does not matter.
        var pairs = Gen.Select(Rule.Array[rules], Rule, Gen.Int[0, rules - 1], (before, extra, at) => (Before: Named(before), After: Named([.. before.Where((_, index) => index != at), extra])));
        Cases.Each(pairs, Cases.Times(Pairs), pair =>
        {
            var diff = PolicyDiff.Between(SmallWorld.Policy(pair.Before), SmallWorld.Policy(pair.After), Samples.Now);
            Assert.True(diff.IsComplete);
            Agree(z3, pair.Before, pair.After, diff.Gained, number++);
            Agree(z3, pair.After, pair.Before, diff.Lost, number++);
        });
    }

    private static void Agree(Z3Solver z3, PolicyRule[] before, PolicyRule[] after, IReadOnlyCollection<AuthorityChange> gained, int number)
    {
        z3.Run($"(push)(define-fun gained{number} () Bool (and {Allowed(after)} (not {Allowed(before)})))");
        Assert.Equal(gained.Count > 0 ? "sat" : "unsat", z3.Run($"(push)(assert gained{number})(check-sat)(pop)"));
        foreach (var change in gained)
            Assert.Equal("sat", z3.Run($"(push)(assert (and gained{number} {At(change.Example!)}))(check-sat)(pop)"));
        z3.Run("(pop)");
    }

    private static string Allowed(PolicyRule[] rules)
    {
        string Any(RuleEffect effect) => $"(or false {string.Join(' ', rules.Where(rule => rule.Effect == effect).Select(Means))})";
        return $"(and {Any(RuleEffect.Permit)} (not {Any(RuleEffect.Forbid)}))";
    }

    private static string Means(PolicyRule rule)
    {
        var (subject, permits) = (rule.Subjects[0], rule.Effect == RuleEffect.Permit);
        var parts = new List<string>();
        if (subject.SpiffeId is { } id) parts.Add(OfPath("s", id.ToString(), exact: true));
        if (subject.SpiffeIdPrefix is { } prefix) parts.Add(OfPath("s", prefix.Text, exact: false));
        if (subject.Digest is { } digest) parts.Add(Told("digest", $"(= digest {NumberOf(digest)})", permits));
        if (subject.HostPrefix is { } host) parts.Add(Told("hn", OfPath("h", host.Text, exact: false), permits));
        parts.Add(OfSubject(((Capability.NatsPublish)rule.Capabilities[0]).Subject.Text, permits));
        return $"(and {string.Join(' ', parts)})";
    }

    private static string Told(string attribute, string condition, bool permits) => permits ? condition : $"(or (= {attribute} {Unknown}) {condition})";

    private static string OfPath(string variable, string id, bool exact)
    {
        var segments = id["spiffe://t/".Length..].Split('/');
        return $"(and ({(exact ? "=" : ">=")} {variable}n {segments.Length}) {string.Join(' ', segments.Select((segment, at) => $"(= {variable}{at} {NumberOf(segment)})"))})";
    }

    private static string OfSubject(string subject, bool permits)
    {
        var tokens = subject.Split('.');
        var below = tokens[^1] == ">";
        if (below) tokens = tokens[..^1];
        var length = tokens.Length;
        // A permit covers all that is asked for; a forbid has something in common with it.
        var single = below ? $"(> tn {length})" : $"(= tn {length})";
        var many = permits ? below ? $"(>= tn {length})" : "false" : below ? "true" : $"(< tn {length})";
        var named = tokens.Select((token, at) => token == "*" ? "true" : $"(or (<= tn {at}) (= t{at} {NumberOf(token)}))");
        return $"(and (ite tail {many} {single}) {string.Join(' ', named)})";
    }

    private static string At(AuthorityExample example)
    {
        var principal = example.Principal;
        var tokens = ((CapabilityRequest.NatsPublish)example.Request).Subject.Text.Split('.');
        var below = tokens[^1] == ">";
        if (below) tokens = tokens[..^1];
        List<string> parts = [$"(= tail {(below ? "true" : "false")})", $"(= tn {tokens.Length})", .. tokens.Select((token, at) => $"(= t{at} {NumberOf(token)})")];
        AddPath(parts, "s", principal.Id);
        if ((principal.Unknown & PrincipalAttributes.Host) != 0) parts.Add($"(= hn {Unknown})");
        else if (principal.Host is { } host) AddPath(parts, "h", host);
        else parts.Add("(= hn 0)");
        parts.Add($"(= digest {((principal.Unknown & PrincipalAttributes.Digest) != 0 ? Unknown : principal.Digest is { } digest ? NumberOf(digest) : Absent)})");
        return $"(and {string.Join(' ', parts)})";
    }

    private static void AddPath(List<string> parts, string variable, SpiffeId id)
    {
        var segments = id.Path.Split('/', StringSplitOptions.RemoveEmptyEntries);
        parts.Add($"(= {variable}n {segments.Length})");
        parts.AddRange(segments.Select((segment, at) => $"(= {variable}{at} {NumberOf(segment)})"));
    }

    // Names that no rule uses are numbers that no rule uses.
    private static int NumberOf(string word) => Array.IndexOf(Words, word) is >= 0 and var known ? known : 100 + word.Sum(character => character);

    private static int NumberOf(ComponentDigest digest) => int.Parse(digest.Text[^4..], NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    private static ComponentDigest DigestOf(int number) => ComponentDigest.Parse(string.Create(CultureInfo.InvariantCulture, $"sha256:{number + 1:x64}"));

    private static PolicyRule[] Named(PolicyRule[] rules) => [.. rules.Select((rule, number) => rule with { Name = $"r{number}" })];
}
