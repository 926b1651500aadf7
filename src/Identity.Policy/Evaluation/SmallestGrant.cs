using System.Text;

namespace Identity.Policy.Evaluation;

/// <summary>Writes the narrowest policy document that would turn a refusal: this identity, these bytes, these capabilities and no more.</summary>
internal static class SmallestGrant
{
    private const int MaxShownName = 64;

    public static string Of(CapabilityPolicy policy, Principal caller, IEnumerable<string> capabilities)
    {
        var text = new StringBuilder();
        text.Append("kind: CapabilityPolicy\nname: ").Append(FreeName(policy, caller)).Append("\nrules:\n");
        text.Append("  - name: grant\n    effect: permit\n    subjects:\n      - spiffeId: ").Append(caller.Id).Append('\n');
        if (caller.Digest is { } digest && (caller.Unknown & PrincipalAttributes.Digest) == 0) text.Append("        digest: ").Append(digest.Text).Append('\n');
        text.Append("    capabilities:\n");
        foreach (var capability in capabilities.Distinct(StringComparer.Ordinal)) text.Append("      - ").Append(capability).Append('\n');
        return text.ToString();
    }

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
