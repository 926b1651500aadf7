using System.Collections.Immutable;
using Identity.Policy.Analysis;

namespace Identity.Policy.Tests.Analysis.Boards;

/// <summary>
/// What check says of random policies beside random components and registered identities: what is granted and neither imported nor exported, imported and not
/// granted, and whom nobody is (docs/policy-verification.md).
/// </summary>
public sealed class ManyInventoriesTests
{
    private readonly AdmissionAnswers _answers = new();
    private (PolicyRule[] Rules, string Inventory) _case;

    [Fact]
    public void What_no_component_uses_and_what_a_component_is_not_granted_is_warned_of_and_nothing_else() => Cases.Many(Cases.Times(3_000), draw =>
    {
        var who = CallerBoard.All[draw.Of(CallerBoard.All.Length)];
        var rules = AdmissionDraw.Rules(draw, who);
        var components = new (int Caller, int Imports, int Exports)[1 + draw.Of(4)];
        for (var i = 0; i < components.Length; i++) components[i] = (draw.Of(who.Callers.Length), draw.Of(AdmissionBoard.Imports.Length), draw.Of(AdmissionBoard.Exports.Length));
        ImmutableArray<ComponentStart> starts = [.. components.Select((component, number) => AdmissionBoard.Component(who.Callers[component.Caller], component.Imports, component.Exports) with { Name = $"c{number}" })];
        _case = (AdmissionDraw.Written(who, rules), string.Join('\n', starts));
        var (policy, inventory) = (SmallWorld.Policy(_case.Rules), new PolicyInventory { Components = starts });
        var warnings = PolicyCheck.Find(policy, inventory, Samples.Now);

        var grants = Grants(who, rules, components).ToArray();
        Assert.Equal(grants.Where(grant => grant.Meant.Length > 0 && !grant.Used && !grant.PerhapsUsed).Select(grant => $"{grant.Rule} grants {grant.Capability}: {grant.Meant.Length}").Order(StringComparer.Ordinal), Said());
        Assert.Equal(
            grants.Where(grant => grant.IsPerhaps && !grant.Used && (grant.Meant.Length == 0 || grant.PerhapsUsed)).Select(grant => $"{grant.Rule} '{grant.Capability}'").Order(StringComparer.Ordinal),
            PolicyCheck.NotChecked(policy, inventory, Samples.Now).Select(rule => $"{rule.Rule!.Value.Rule} {rule.Text[rule.Text.IndexOf('\'', StringComparison.Ordinal)..(rule.Text.IndexOf("', granted", StringComparison.Ordinal) + 1)]}").Order(StringComparer.Ordinal));
        _answers.Read(who, rules, moment: 0);
        for (var number = 0; number < components.Length; number++)
        {
            var (caller, imports, exports) = components[number];
            var said = warnings.Where(warning => warning.Kind == PolicyWarningKind.NotGranted && warning.Text.StartsWith($"the component c{number} (", StringComparison.Ordinal)).ToArray();
            AssertNotGranted(who, rules, caller, imports, [.. said.Select(warning => (Missing(warning), warning.Rule?.Rule))]);
            var called = AdmissionBoard.CalledOf(exports);
            var isRefused = called is { } call && (_answers.Permitted(call) & ~_answers.Forbidden(call) & 1ul << caller) == 0;
            Assert.Equal(
                isRefused ? [AdmissionBoard.Requests[called!.Value]] : [],
                warnings.Where(warning => warning.Kind == PolicyWarningKind.NotGranted && warning.Text.Contains($" of the component c{number} (", StringComparison.Ordinal)).Select(warning => $"export {Missing(warning)["call ".Length..].Split(' ')[0]}"));
        }

        IEnumerable<string> Said() => warnings.Where(warning => warning.Kind == PolicyWarningKind.OverGrant)
            .Select(warning => $"{warning.Rule!.Value.Rule} {warning.Text[..warning.Text.IndexOf(',', StringComparison.Ordinal)]}: {Count(warning.Text)}").Order(StringComparer.Ordinal);
    }, () => _case);

    [Fact]
    public void Whom_nobody_is_that_is_registered_is_warned_of_and_nothing_else() => Cases.Many(Cases.Times(3_000), draw =>
    {
        var board = Board.Of(draw);
        var drawn = board.Rules(draw, 6);
        LabelAssignment[] labels = [.. Enumerable.Range(0, draw.Of(3)).Select(number => new LabelAssignment("team", $"{number}", [.. Enumerable.Range(0, 1 + draw.Of(2)).Select(_ => BearerOf(draw, board.Who))]))];
        var rules = board.Written(drawn);
        for (var i = 0; i < rules.Length; i++)
        {
            // Beside a label only an ID or a prefix: these are always told.
            if (draw.OneIn(3)) rules[i] = rules[i] with { Subjects = rules[i].Subjects.SetItem(0, IdOf(rules[i].Subjects[0]) with { Labels = rules[i].Subjects[0].Labels.Add("team", $"{draw.Of(3)}") }) };
        }

        var registered = 0ul;
        for (var caller = 0; caller < board.Who.Callers.Length; caller++) registered |= draw.OneIn(6) ? 1ul << caller : 0;
        ImmutableArray<Principal> identities = [.. board.Who.Callers.Where((_, caller) => (registered >> caller & 1) != 0)];
        _case = (rules, $"{string.Join('\n', identities)}\n{string.Join('\n', labels.Select(label => $"{label.Value}: {string.Join(" | ", label.Subjects)}"))}");
        var policy = CapabilityPolicy.Create([new PolicyDocument { Name = "p", Rules = [.. rules], Labels = [.. labels], Source = "" }], 1);
        var said = PolicyCheck.Find(policy, new PolicyInventory { Identities = identities }, Samples.Now).Where(warning => warning.Kind == PolicyWarningKind.MeansNobody).Select(warning => warning.Rule!.Value.Rule);
        Assert.Equal(registered == 0 ? [] : rules.SelectMany(rule => rule.Subjects.Where(subject => IsNobody(board, rule, subject, labels, registered)).Select(_ => rule.Name)), said);
    }, () => _case);

    // Permits of imports and exports, with the components that are meant, and whether one of them, or of those that may be meant, uses any of it.
    private static IEnumerable<(string Rule, string Capability, int[] Meant, bool IsPerhaps, bool Used, bool PerhapsUsed)> Grants(CallerBoard who, AdmissionRule[] rules, (int Caller, int Imports, int Exports)[] components)
    {
        for (var number = 0; number < rules.Length; number++)
        {
            var rule = rules[number];
            if (!rule.Permits || rule.Mode == RuleMode.Shadow || rule.Moments == 0) continue;
            var (meant, perhaps) = (Of(who.Meant(rule.Subject, permits: true)), Of(who.Meant(rule.Subject, permits: false) & ~who.Meant(rule.Subject, permits: true)));
            foreach (var capability in Board.Each(rule.Capabilities))
            {
                var text = AdmissionBoard.Capabilities[capability].ToString();
                if (!text.StartsWith("import ", StringComparison.Ordinal) && !text.StartsWith("export ", StringComparison.Ordinal)) continue;
                yield return (Board.Names[number], text, meant, perhaps.Length > 0, Array.Exists(meant, Uses), Array.Exists(perhaps, Uses));

                bool Uses(int component) => ((UsedOf(AdmissionBoard.Imports[components[component].Imports]) | UsedOf(AdmissionBoard.Exports[components[component].Exports])) & AdmissionBoard.AskedOf(capability, permits: false)) != 0;
            }
        }

        int[] Of(ulong callers) => [.. Enumerable.Range(0, components.Length).Where(component => (callers >> components[component].Caller & 1) != 0)];
    }

    // The functions that are listed, or, where none is, the whole interface.
    private static uint UsedOf(int[][] interfaces) =>
        interfaces.SelectMany(rows => rows.Length > 1 ? rows[1..] : rows).Aggregate(0u, (bits, row) => bits | 1u << row);

    private void AssertNotGranted(CallerBoard who, AdmissionRule[] rules, int caller, int imports, (string What, string? Forbid)[] said)
    {
        var left = said.Select(one => one.What).ToList();
        var isStartRefused = (_answers.Forbidden(0) >> caller & 1) != 0 || (AdmissionBoard.Imports[imports].Length == 0 && (_answers.Permitted(0) >> caller & 1) == 0);
        Assert.Equal(isStartRefused, left.Remove("start"));
        foreach (var import in AdmissionBoard.Imports[imports])
        {
            if (IsAllowed(import[0])) continue;
            var refused = import[1..].Where(row => !IsAllowed(row)).ToArray();
            // What is refused of all its functions may be said of the whole.
            if (refused.Length == import.Length - 1 && left.Remove(AdmissionBoard.Requests[import[0]])) continue;
            Assert.All(refused, row => Assert.True(left.Remove(AdmissionBoard.Requests[row]), $"{AdmissionBoard.Requests[row]} is not granted and not told"));
        }

        Assert.Empty(left);
        foreach (var (what, forbid) in said)
        {
            if (forbid is null) Assert.True((_answers.Permitted(RowOf(what)) >> caller & 1) == 0, $"{what} is permitted, and no forbid is named");
            else Assert.Contains(rules.Where((rule, number) => Board.Names[number] == forbid), rule => !rule.Permits && (who.Meant(rule.Subject, permits: false) >> caller & 1) != 0 && (AdmissionBoard.Asked(rule) >> RowOf(what) & 1) != 0);
        }

        bool IsAllowed(int row) => (_answers.Permitted(row) & ~_answers.Forbidden(row) & 1ul << caller) != 0;
        static int RowOf(string what) => AdmissionBoard.Requests.IndexOf(what);
    }

    // "the component c0 (spiffe://t/a) may not import a:b/c@0.2.0: no rule permits it"
    private static string Missing(PolicyWarning warning)
    {
        var text = warning.Text[(warning.Text.IndexOf(" may not ", StringComparison.Ordinal) + " may not ".Length)..];
        return text[..text.IndexOf(": ", StringComparison.Ordinal)];
    }

    private static int Count(string text) => text.Split(", which the ")[1].Split(' ') is [var number, "components", ..] ? int.Parse(number, System.Globalization.CultureInfo.InvariantCulture) : 1;

    private static PolicySubject BearerOf(Draw draw, CallerBoard who) => who.Subjects[draw.Of(who.Subjects.Length)] is { Signer: null } subject ? subject : BearerOf(draw, who);

    private static PolicySubject IdOf(PolicySubject subject) => new() { SpiffeId = subject.SpiffeId, SpiffeIdPrefix = subject.SpiffeIdPrefix };

    private static bool IsNobody(Board board, PolicyRule rule, PolicySubject subject, LabelAssignment[] labels, ulong registered)
    {
        if (rule.Mode == RuleMode.Off) return false;
        // What cannot be granted grants nothing to anybody.
        if (rule.Effect == RuleEffect.Permit && !rule.Capabilities.Any(capability => Language.PlainMeaning.IsGrantable(capability.ToString()))) return false;
        // A rule that can mean nobody at all is dead, which is said already.
        if (rule.Subjects.All(one => MeantBy(one).Count == 0)) return false;
        var meant = MeantBy(subject);
        // A forbid that is not for single IDs holds a line for those to come.
        if (rule.Effect == RuleEffect.Forbid && meant.Exists(one => !one.IsOneId)) return false;
        return meant.TrueForAll(one => (one.Callers & registered) == 0);

        List<(ulong Callers, bool IsOneId)> MeantBy(PolicySubject one)
        {
            if (one.Labels.IsEmpty) return [(board.Who.MayBe(one), one.SpiffeId is not null)];
            var id = IdOf(one);
            var bearers = labels.Where(label => label.Value == one.Labels["team"]).SelectMany(label => label.Subjects);
            return [.. bearers.Where(bearer => (board.Who.Permitted(id) & board.Who.Permitted(bearer)) != 0).Select(bearer => (board.Who.MayBe(id) & board.Who.MayBe(bearer), (id.SpiffeId ?? bearer.SpiffeId) is not null))];
        }
    }
}
