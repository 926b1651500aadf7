using Identity.Policy.Analysis;
using Identity.Policy.Tests.Language;

namespace Identity.Policy.Tests.Analysis.Boards;

/// <summary>
/// What is suggested, beside a policy or none, allows what was seen, unless that is forbidden or can never be granted, and nothing else: the suggested
/// document is read and enumerated (docs/policy-verification.md).
/// </summary>
public sealed class ManySuggestionsTests
{
    private const string RefusedOnNats = " permits it, but ";

    private readonly Answers _answers = new();
    private readonly ulong[] _granted = new ulong[Answers.Rows];
    private readonly ulong[] _seen = new ulong[Answers.Rows];
    private (Observation[] Seen, PolicyRule[] Beside, string? Suggested) _case;

    [Fact]
    public void Every_suggestion_allows_what_was_seen_and_nothing_else() => Cases.Many(Cases.Times(10_000), draw =>
    {
        var board = Board.Of(draw);
        var rules = draw.OneIn(2) ? board.Rules(draw, 3) : [];
        var isPinned = !draw.OneIn(3);
        var picks = new (int Caller, int Request, PrincipalAttributes Untold)[1 + draw.Of(6)];
        for (var i = 0; i < picks.Length; i++) picks[i] = (draw.Of(board.Who.Callers.Length), draw.Of(board.What.Requests.Length), UntoldOf(draw));
        var seen = Array.ConvertAll(picks, pick => new Observation(board.Who.Callers[pick.Caller], board.What.Requests[pick.Request]) { Untold = pick.Untold });
        _case = (seen, board.Written(rules), null);
        var policy = SmallWorld.Policy(_case.Beside);
        var suggestion = PolicySuggest.For(policy, seen, Samples.Now, pinDigest: isPinned);
        _case.Suggested = suggestion.Source;
        Array.Reverse(seen);
        Assert.Equal(suggestion.Source, PolicySuggest.For(policy, seen, Samples.Now, pinDigest: isPinned).Source);

        _answers.Read(board, rules);
        Array.Clear(_granted);
        if (suggestion.Source is { } source) Grant(board, Samples.Document(source));
        Array.Clear(_seen);
        var left = new HashSet<string>();
        foreach (var pick in picks) See(board, rules, pick, isPinned, left);
        Assert.Equal(left.Order(StringComparer.Ordinal), LeftOf(suggestion));
        var permitted = picks.Where(pick => (_answers.Allowed[pick.Request] >> pick.Caller & 1) != 0).Select(pick => $"{board.Who.Callers[pick.Caller].Id}: {board.What.Requests[pick.Request]}").ToHashSet();
        Assert.All(suggestion.Left.Where(told => told.Contains(RefusedOnNats, StringComparison.Ordinal)), told => Assert.Contains(told[..told.IndexOf(" (", StringComparison.Ordinal)], permitted));
        AssertSame(board);
    }, () => $"{Cases.Show(_case.Beside)}{string.Join('\n', (object[])_case.Seen)}\n{_case.Suggested}");

    /// <summary>What is not granted, each with why in one word; not what is permitted and refused by nats-server all the same, of which <see cref="NatsReachTests"/> are.</summary>
    internal static IEnumerable<string> LeftOf(PolicySuggestion suggestion) => suggestion.Left
        .Where(told => !told.Contains(RefusedOnNats, StringComparison.Ordinal))
        .Select(told => (Told: told, At: told.IndexOf(" (", StringComparison.Ordinal)))
        .Select(one => $"{one.Told[..one.At]} {(one.Told.EndsWith("forbids it)", StringComparison.Ordinal) ? "forbidden" : one.Told.Contains("depending on", StringComparison.Ordinal) ? "depends" : "never")}")
        .Distinct().Order(StringComparer.Ordinal);

    // Mostly nothing; of attributes that are not told on purpose, and of any.
    private static PrincipalAttributes UntoldOf(Draw draw) => draw.Of(4) switch
    {
        0 => (PrincipalAttributes)(1 << draw.Of(6)),
        1 => (PrincipalAttributes)draw.Of(64),
        _ => PrincipalAttributes.None,
    };

    private void Grant(Board board, PolicyDocument document)
    {
        foreach (var rule in document.Rules)
        {
            Assert.True(rule is { Effect: RuleEffect.Permit, Mode: RuleMode.Enforce, Expires: null });
            var callers = 0ul;
            foreach (var subject in rule.Subjects) callers |= board.Who.Permitted(subject);
            foreach (var capability in rule.Capabilities)
            {
                foreach (var request in Board.Each(board.What.Permitted(capability))) _granted[request] |= callers;
            }
        }
    }

    private void See(Board board, DrawnRule[] rules, (int Caller, int Request, PrincipalAttributes Untold) pick, bool isPinned, HashSet<string> left)
    {
        var (caller, request, untold) = pick;
        if ((_answers.Allowed[request] >> caller & 1) != 0) return;
        var (principal, asked) = (board.Who.Callers[caller], board.What.Requests[request]);
        var capability = asked is CapabilityRequest.NatsRespond ? "natsRespond 1 1m" : asked.ToString();
        var why = (_answers.Forbidden(request) >> caller & 1) != 0 ? "forbidden" : !PlainMeaning.IsGrantable(capability) ? "never" : IsPermittedToSome() ? "depends" : null;
        if (why is not null)
        {
            left.Add($"{principal.Id}: {asked} {why}");
            return;
        }

        var digest = isPinned && (principal.Unknown & PrincipalAttributes.Digest) == 0 ? principal.Digest : null;
        var callers = board.Who.Permitted(new PolicySubject { SpiffeId = principal.Id, Digest = digest });
        foreach (var granted in Board.Each(board.What.Permitted(Capability.Parse(capability)))) _seen[granted] |= callers;

        // Already permitted to callers that have what was not told: without asking for it the rule would be undone.
        bool IsPermittedToSome()
        {
            if (untold == PrincipalAttributes.None) return false;
            var whoever = principal with { Unknown = principal.Unknown | untold };
            return Array.Exists(rules, rule => rule is { Permits: true, Decides: true, Moments: > 0 } && (board.AskedOf(rule) >> request & 1) != 0
                && (Means(rule.Subject) || (rule.Other >= 0 && Means(rule.Other))));

            bool Means(int subject) => Enumeration.Means(board.Who.Subjects[subject], whoever, permits: false);
        }
    }

    private void AssertSame(Board board)
    {
        for (var request = 0; request < board.What.Requests.Length; request++)
        {
            var forbidden = _answers.Forbidden(request);
            var (expected, found) = ((_answers.Permitted(request) | _seen[request]) & ~forbidden, (_answers.Permitted(request) | _granted[request]) & ~forbidden);
            if (expected == found) continue;
            // Accesses to one thing that were seen one by one may then be asked for together.
            if ((expected & ~found) == 0 && (board.What.Mergeable >> request & 1) != 0) continue;
            Assert.Fail($"{board.What.Requests[request]}: {expected:x} seen, {found:x} allowed");
        }
    }
}
