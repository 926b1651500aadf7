using System.Collections.Immutable;

namespace Identity.Policy.Documents;

/// <summary>Turns the tree of a <c>kind: CapabilityPolicy</c> document into rules. The grammar of policy is this file.</summary>
internal sealed class PolicyBinder(ProblemList problems)
{
    public const string Kind = "CapabilityPolicy";

    // In the order of RuleMode.
    private static readonly string[] Modes = ["enforce", "off", "shadow", "warn"];

    private const int MaxRules = 10_000;
    private const int MaxPerRule = 1_000;

    public PolicyDocument? Bind(DocumentTree tree)
    {
        var before = problems.Count;
        var fields = Fields.Of(tree.Root, problems, "a policy", ["kind", "name", "labels", "rules"]);
        if (fields is null) return null;
        var name = fields.RequiredValue<string>("name", "the policy's name", Quantities.TryParseName);
        var labels = new LabelBinder(problems).Bind(fields);
        var rules = ImmutableArray.CreateBuilder<PolicyRule>();
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var node in fields.RequiredList("rules", "a list of rules", MaxRules) ?? [])
        {
            // One faulty generator makes thousands of equal mistakes; a page of them is enough.
            if (problems.IsFull) break;
            if (BindRule(node) is not { } rule) continue;
            if (!names.Add(rule.Name)) problems.Add(node, $"a second rule is named {Quoted.From(rule.Name)}; names of rules are unique in a policy");
            rules.Add(rule);
        }

        return problems.Count == before ? new PolicyDocument { Name = name!, Labels = labels, Rules = rules.ToImmutable(), Source = tree.Source } : null;
    }

    private PolicyRule? BindRule(DocumentNode node)
    {
        var before = problems.Count;
        var fields = Fields.Of(node, problems, "a rule", ["name", "effect", "mode", "subjects", "capabilities", "ceilings", "expires", "reason"]);
        if (fields is null) return null;
        var name = fields.RequiredValue<string>("name", "the rule's name", Quantities.TryParseName);
        var effect = BindEffect(fields.Required("effect", "permit or forbid"));
        var subjects = fields.RequiredList("subjects", "a list of whom it means", MaxPerRule)?.Select(new SubjectBinder(problems).Bind).ToArray();
        var capabilities = fields.RequiredList("capabilities", "a list of what it permits or forbids", MaxPerRule)?
            .Select(capability => new CapabilityBinder(problems).Bind(capability, effect)).ToArray();
        var ceilings = fields.Optional("ceilings") is { } stated ? new CeilingsBinder(problems).Bind(stated) : StatedCeilings.None;
        var expires = BindExpires(fields.Optional("expires"));
        var reason = fields.OptionalValue<string>("reason", "a sentence", Quantities.TryParseReason);
        var mode = BindMode(fields.Optional("mode"));
        if (expires is not null && fields.Optional("reason") is null)
            problems.Add(fields.Optional("expires")!, "a rule with 'expires' is an exception and says why: add a 'reason'");
        if (effect == RuleEffect.Forbid)
        {
            RefuseInForbid(fields.Optional("ceilings"), "a forbid states no ceilings; put them on a permit");
            RefuseInForbid(fields.Optional("expires"), "a forbid that ends by itself would be a grant nobody sees; remove it by a change of policy");
        }

        return problems.Count > before ? null : new PolicyRule
        {
            Name = name!,
            Effect = effect!.Value,
            Subjects = [.. subjects!.OfType<PolicySubject>()],
            Capabilities = [.. capabilities!.OfType<Capability>()],
            Ceilings = ceilings!,
            Expires = expires,
            Mode = mode,
            Reason = reason,
        };
    }

    private RuleEffect? BindEffect(DocumentNode? node)
    {
        if (node is null) return null;
        if (node is DocumentNode.Scalar { Text: "permit" }) return RuleEffect.Permit;
        if (node is DocumentNode.Scalar { Text: "forbid" }) return RuleEffect.Forbid;
        problems.Add(node, $"'effect' must be permit or forbid, found {node.Describe()}", Nearest(node, ["permit", "forbid"]));
        return null;
    }

    private RuleMode BindMode(DocumentNode? node)
    {
        if (node is null) return RuleMode.Enforce;
        var mode = node is DocumentNode.Scalar word ? Array.IndexOf(Modes, word.Text) : -1;
        if (mode < 0) problems.Add(node, $"'mode' must be one of {string.Join(", ", Modes)}, found {node.Describe()}", Nearest(node, Modes));
        return mode < 0 ? RuleMode.Enforce : (RuleMode)mode;
    }

    private DateTimeOffset? BindExpires(DocumentNode? node)
    {
        if (node is null) return null;
        if (node is DocumentNode.Scalar scalar && Quantities.TryParseMoment(scalar.Text, out var moment, out _)) return moment;
        problems.Add(node, $"'expires' must be a moment in UTC as in 2026-12-31T23:59:59Z, found {node.Describe()}");
        return null;
    }

    private void RefuseInForbid(DocumentNode? node, string why)
    {
        if (node is not null) problems.Add(node, why);
    }

    private static string? Nearest(DocumentNode node, IEnumerable<string> known) =>
        node is DocumentNode.Scalar scalar ? NearestWord.Of(scalar.Text, known) : null;
}
