using System.Text;

namespace Identity.Policy.Evaluation;

/// <summary>Writes the narrowest policy document that would turn a refusal: this identity, these bytes, these capabilities and no more.</summary>
internal static class SmallestGrant
{
    private const int MaxShownName = 64;

    public static string Of(CapabilityPolicy policy, Principal caller, IEnumerable<string> capabilities) =>
        Of(policy, capabilities.Select(capability => (caller, capability)));

    /// <summary>One document with a rule for each identity and its bytes: several documents would take the same name, and the last would take the place of the others.</summary>
    /// <param name="refused">At least one.</param>
    public static string Of(CapabilityPolicy policy, IEnumerable<(Principal Caller, string Capability)> refused)
    {
        var text = new StringBuilder();
        var number = 0;
        foreach (var rule in refused.GroupBy(one => (one.Caller.Id, Digest: DigestOf(one.Caller))))
        {
            if (++number == 1) text.Append("kind: CapabilityPolicy\nname: ").Append(FreeName(policy, rule.First().Caller)).Append("\nrules:\n");
            text.Append("  - name: grant").Append(number == 1 ? "" : $"-{number}").Append("\n    effect: permit\n    subjects:\n      - spiffeId: ").Append(rule.Key.Id).Append('\n');
            if (rule.Key.Digest is { } digest) text.Append("        digest: ").Append(digest).Append('\n');
            text.Append("    capabilities:\n");
            foreach (var capability in rule.Select(one => one.Capability).Distinct(StringComparer.Ordinal)) text.Append("      - ").Append(capability).Append('\n');
        }

        return text.ToString();
    }

    private static string? DigestOf(Principal caller) => (caller.Unknown & PrincipalAttributes.Digest) == 0 ? caller.Digest?.Text : null;

    // Applying a document replaces the one of its name: a grant under a name that is taken would take away what that one grants.
    private static string FreeName(CapabilityPolicy policy, Principal caller)
    {
        var id = caller.Id.ToString();
        var last = id[(id.LastIndexOf('/') + 1)..];
        var name = $"{(last.Length > MaxShownName ? last[..MaxShownName] : last)}-grant";
        var taken = policy.Documents.Select(document => document.Name).Where(other => other.StartsWith(name, StringComparison.Ordinal)).ToHashSet(StringComparer.Ordinal);
        var free = name;
        for (var number = 2; taken.Contains(free); number++) free = $"{name}-{number}";
        return free;
    }
}
