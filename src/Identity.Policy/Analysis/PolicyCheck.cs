using System.Collections.Immutable;
using Identity.Policy.Documents;

namespace Identity.Policy.Analysis;

/// <summary>
/// Finds rules without effect, rules that contradict each other, and grants that do not fit what is there. Exact: removing every rule that is
/// called dead, shadowed or a contradiction, all of them at once, changes no answer.
/// </summary>
public static class PolicyCheck
{
    public static ImmutableArray<PolicyWarning> Find(CapabilityPolicy policy, PolicyInventory inventory, DateTimeOffset now)
    {
        if (policy.Unreadable is { } why) return [new PolicyWarning(PolicyWarningKind.Undecided, null, 0, $"the policy cannot be read: {why}", "mend it; until then it denies everything")];
        var lines = new RuleLines(policy);
        return [.. new RuleCheck(policy, lines, now).Find(), .. FormerIdCheck.Find(policy, lines, now), .. InventoryCheck.Find(policy, inventory, lines, now)];
    }

    /// <summary>
    /// Of which rules the inventory does not tell enough: no warning, but the kind that was not looked for, why, and what would let it be. Nothing is said
    /// where the inventory is empty: then it is so of all rules.
    /// </summary>
    public static ImmutableArray<PolicyWarning> NotChecked(CapabilityPolicy policy, PolicyInventory inventory, DateTimeOffset now) =>
        policy.Unreadable is null ? [.. InventoryCheck.NotChecked(policy, inventory, new RuleLines(policy), now)] : [];
}

/// <summary>Where rules stand in the source of their documents.</summary>
internal sealed class RuleLines(CapabilityPolicy policy)
{
    private readonly Dictionary<RuleReference, int> _lines = Read(policy);

    public int Of(RuleReference rule) => _lines.GetValueOrDefault(rule);

    private static Dictionary<RuleReference, int> Read(CapabilityPolicy policy)
    {
        var lines = new Dictionary<RuleReference, int>();
        foreach (var document in policy.Documents)
        {
            // It was read before; a document made in code has no source, and no lines.
            foreach (var tree in DocumentTreeReader.Read(document.Source, new ProblemList(), isStored: true))
            {
                if (tree.Root is not DocumentNode.Mapping root || Field(root, "rules") is not DocumentNode.Sequence rules) continue;
                foreach (var rule in rules.Items.OfType<DocumentNode.Mapping>())
                {
                    if (Field(rule, "name") is DocumentNode.Scalar name) lines.TryAdd(new RuleReference(document.Name, name.Text), rule.Line);
                }
            }
        }

        return lines;
    }

    private static DocumentNode? Field(DocumentNode.Mapping mapping, string name) => mapping.Fields.FirstOrDefault(field => field.Key.Text == name).Value;
}
