using System.Collections.Immutable;
using System.Text;

namespace Identity.Policy.Evaluation;

/// <summary>Writes the narrowest policy document that would turn a refusal: this identity, these bytes, these capabilities and no more.</summary>
internal static class SmallestGrant
{
    /// <summary>Null when no grant can help, because something is forbidden or cannot be granted at all.</summary>
    public static string? Admitting(in Caller caller, ImmutableArray<Refusal> refusals)
    {
        if (refusals.Any(refusal => refusal.Reason != RefusalReason.NotGranted)) return null;
        return Of(caller, refusals.Select(refusal => refusal.Capability == "start" ? "start" : $"import: {refusal.Capability}"));
    }

    public static string Of(in Caller caller, IEnumerable<string> capabilities)
    {
        var id = caller.Id.ToString();
        var name = id[(id.LastIndexOf('/') + 1)..];
        if (name.Length > 64) name = name[..64];
        var text = new StringBuilder();
        text.Append("kind: CapabilityPolicy\nname: ").Append(name).Append("-grant\nrules:\n");
        text.Append("  - name: ").Append(name).Append("\n    effect: permit\n    subjects:\n      - spiffeId: ").Append(id).Append('\n');
        if (caller.Digest is { } digest) text.Append("        digest: ").Append(digest.Text).Append('\n');
        text.Append("    capabilities:\n");
        foreach (var capability in capabilities.Distinct(StringComparer.Ordinal)) text.Append("      - ").Append(capability).Append('\n');
        return text.ToString();
    }
}
