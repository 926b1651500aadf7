using Identity.Policy.Analysis;

namespace Identity.Policy.Tests.Analysis.Boards;

/// <summary>
/// What is suggested for components that are to start, beside random policies: what they import and the one export that is called, and
/// nothing else; with it they start, unless something is forbidden (docs/policy-verification.md).
/// </summary>
public sealed class ManyStartsTests
{
    // What identity-host calls, best first: by the row of the export, and of what is called.
    private readonly AdmissionAnswers _answers = new();
    private readonly ulong[] _granted = new ulong[AdmissionBoard.Requests.Length];
    private readonly ulong[] _seen = new ulong[AdmissionBoard.Requests.Length];
    private (PolicyRule[] Beside, ComponentStart Component, string? Suggested) _case;

    [Fact]
    public void What_is_suggested_for_a_component_is_what_it_asks_for_when_it_starts_and_nothing_else() => Cases.Many(Cases.Times(3_000), draw =>
    {
        var who = CallerBoard.All[draw.Of(CallerBoard.All.Length)];
        var rules = draw.OneIn(4) ? [] : AdmissionDraw.Rules(draw, who);
        var (caller, imports, exports) = (draw.Of(who.Callers.Length), draw.Of(AdmissionBoard.Imports.Length), draw.Of(AdmissionBoard.Exports.Length));
        var (isWhole, isPinned, isTold) = (draw.OneIn(3), !draw.OneIn(3), draw.OneIn(2));
        var component = AdmissionBoard.Component(who.Callers[caller], imports, exports);
        // Who is known whole tells nothing less.
        isTold &= component.Principal.Unknown != PrincipalAttributes.None;
        _case = (AdmissionDraw.Written(who, rules), component, null);
        var policy = SmallWorld.Policy(_case.Beside);
        var asked = PolicySuggest.ToStart(component, isWhole).Select(seen => isTold ? seen with { Untold = component.Principal.Unknown } : seen).ToArray();
        var suggestion = PolicySuggest.For(policy, asked, Samples.Now, pinDigest: isPinned);
        _case.Suggested = suggestion.Source;

        _answers.Read(who, rules, moment: 0);
        Array.Clear(_granted);
        var suggested = suggestion.Source is { } source ? Samples.Document(source) : null;
        if (suggested is not null) Grant(who, suggested);
        Array.Clear(_seen);
        var left = new HashSet<string>();
        foreach (var row in AskedBy(imports, exports, isWhole)) See(who, rules, caller, row, isPinned, isTold, left);
        Assert.Equal(left.Order(StringComparer.Ordinal), ManySuggestionsTests.LeftOf(suggestion));
        for (var row = 0; row < _seen.Length; row++)
        {
            var open = ~_answers.Permitted(row) & ~_answers.Forbidden(row);
            if ((_seen[row] & open) != (_granted[row] & open)) Assert.Fail($"{AdmissionBoard.Requests[row]}: {_seen[row]:x} asked, {_granted[row]:x} granted");
        }

        _answers.Grant(_seen);
        var together = suggested is null ? policy : CapabilityPolicy.Create([.. policy.Documents, suggested], 2);
        Assert.Equal((_answers.Admitted(imports) >> caller & 1) != 0, ComponentAdmission.Decide(together, component, Samples.Now) is Decision.Admitted);
    }, () => _case);

    // docs/policy-verification.md: the functions that it imports, or the interfaces whole, and the one export that identity-host calls.
    private static List<int> AskedBy(int imports, int exports, bool isWhole)
    {
        var rows = AdmissionBoard.Imports[imports].SelectMany(import => isWhole || import.Length == 1 ? import[..1] : import[1..]).ToList();
        if (rows.Count == 0) rows.Add(0);
        return AdmissionBoard.CalledOf(exports) is { } called ? [.. rows, called] : rows;
    }

    private void Grant(CallerBoard who, PolicyDocument document)
    {
        foreach (var rule in document.Rules)
        {
            Assert.True(rule is { Effect: RuleEffect.Permit, Mode: RuleMode.Enforce, Expires: null });
            foreach (var subject in rule.Subjects)
            {
                foreach (var row in rule.Capabilities.SelectMany(capability => Rows(AdmissionBoard.Asked(capability, permits: true)))) _granted[row] |= who.Permitted(subject);
            }
        }
    }

    private void See(CallerBoard who, AdmissionRule[] rules, int caller, int row, bool isPinned, bool isTold, HashSet<string> left)
    {
        var principal = who.Callers[caller];
        if ((_answers.Permitted(row) & ~_answers.Forbidden(row) & 1ul << caller) != 0) return;
        var asked = AdmissionBoard.Requests[row];
        if ((_answers.Forbidden(row) >> caller & 1) != 0) left.Add($"{principal.Id}: {asked} forbidden");
        else if (isTold && Array.Exists(rules, rule => rule.Permits && rule.Mode != RuleMode.Shadow && rule.Moments > 0 && (AdmissionBoard.Asked(rule) >> row & 1) != 0 && (who.Meant(rule.Subject, permits: false) >> caller & 1) != 0))
            left.Add($"{principal.Id}: {asked} depends");
        else
        {
            var digest = isPinned && (principal.Unknown & PrincipalAttributes.Digest) == 0 ? principal.Digest : null;
            var callers = who.Permitted(new PolicySubject { SpiffeId = principal.Id, Digest = digest });
            foreach (var granted in Rows(AdmissionBoard.Asked(Capability.Parse(asked), permits: true))) _seen[granted] |= callers;
        }
    }

    private static IEnumerable<int> Rows(uint asked) => Enumerable.Range(0, AdmissionBoard.Requests.Length).Where(row => (asked >> row & 1) != 0);
}
