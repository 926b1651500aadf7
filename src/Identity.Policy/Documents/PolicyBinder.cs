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
        var name = fields.RequiredValue<string>("name", "the policy's name, such as shop", Quantities.TryParseName);
        var labels = new LabelBinder(problems).Bind(fields);
        var rules = ImmutableArray.CreateBuilder<PolicyRule>();
        var names = new Dictionary<string, DocumentNode>(StringComparer.Ordinal);
        foreach (var node in fields.RequiredList("rules", "a list of rules, each with name, effect, subjects and capabilities", MaxRules) ?? [])
        {
            // One faulty generator makes thousands of equal mistakes; a page of them is enough.
            if (problems.IsFull) break;
            if (BindRule(node) is not { } rule) continue;
            if (!names.TryAdd(rule.Name, node))
                problems.Add(node, $"a second rule is named {Quoted.From(rule.Name)}, the first in {names[rule.Name].Place}; names of rules are unique in a policy: give one another");
            rules.Add(rule);
        }

        return problems.Count == before ? new PolicyDocument { Name = name!, Labels = labels, Rules = rules.ToImmutable(), Source = tree.Source } : null;
    }

    private PolicyRule? BindRule(DocumentNode node)
    {
        var before = problems.Count;
        var fields = Fields.Of(node, problems, "a rule", ["name", "effect", "mode", "subjects", "capabilities", "ceilings", "expires", "reason"]);
        if (fields is null) return null;
        var name = fields.RequiredValue<string>("name", "the rule's name, such as orders", Quantities.TryParseName);
        var effect = BindEffect(fields.Required("effect", "permit or forbid"));
        var subjects = new SubjectBinder(problems).BindAll(fields.RequiredList("subjects", $"a list of whom it means, such as {SubjectBinder.Example}", MaxPerRule));
        var capabilities = new CapabilityBinder(problems).BindAll(
            fields.RequiredList("capabilities", "a list of what it permits or forbids, such as [start, { natsPublish: orders.new }]", MaxPerRule), effect);
        var ceilings = fields.Optional("ceilings") is { } stated ? new CeilingsBinder(problems).Bind(stated) : StatedCeilings.None;
        var expires = BindExpires(fields.Optional("expires"));
        var reason = fields.OptionalValue<string>("reason", "a sentence, such as: until the old bus is gone", Quantities.TryParseReason);
        var mode = BindMode(fields.Optional("mode"));
        if (expires is not null && fields.Optional("reason") is null)
            problems.Add(fields.Optional("expires")!, "a rule with 'expires' is an exception and says why; add a 'reason', such as reason: until the old bus is gone");
        if (effect == RuleEffect.Forbid)
        {
            RefuseInForbid(fields.Optional("ceilings"), "a forbid states no ceilings; put them on a permit");
            RefuseInForbid(fields.Optional("expires"), "a forbid that ends by itself would be a grant nobody sees; leave 'expires' out, and remove the rule by a change of policy");
        }

        return problems.Count > before ? null : new PolicyRule
        {
            Name = name!,
            Effect = effect!.Value,
            Subjects = subjects,
            Capabilities = capabilities,
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
        // What other languages of policy call the same.
        var meant = node is DocumentNode.Scalar { Text: var word } ? word switch { "allow" or "grant" => "permit", "deny" or "block" => "forbid", _ => null } : null;
        problems.Add(node, $"'effect' must be permit or forbid, found {node.Describe()}", meant ?? Nearest(node, ["permit", "forbid"]));
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
