using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;
using Google.Protobuf.WellKnownTypes;
using Identity.Server.Registration;
using Identity.V1;
using Capability = Identity.Policy.Capability;

namespace Identity.Server.ComponentPolicy;

/// <summary>
/// Writes a policy that came as messages as the document that says the same, so that there is one reader and one form to keep, show and compare. What is
/// not a valid policy is not one as a document either; only what a document could not say is refused here.
/// </summary>
internal static class PolicyMessageText
{
    public static bool TryWrite(CapabilityPolicyDocument policy, out string text, [NotNullWhen(false)] out string? problem)
    {
        // More messages than bytes of a document are not worth writing out.
        problem = policy.CalculateSize() > PolicyRegistry.MaxDocumentBytes ? $"it has more than {PolicyRegistry.MaxDocumentBytes} bytes" : null;
        var yaml = new StringBuilder("kind: CapabilityPolicy\nname: ").Append(Quoted(policy.Name)).Append('\n');
        if (problem is null && policy.Labels.Count > 0)
        {
            yaml.Append("labels:\n");
            foreach (var label in policy.Labels)
                yaml.Append(CultureInfo.InvariantCulture, $"  - name: {Quoted(label.Name)}\n    value: {Quoted(label.Value)}\n    subjects: [{Subjects(label.Subjects)}]\n");
        }

        yaml.Append("rules:").Append(policy.Rules.Count == 0 ? " []\n" : "\n");
        foreach (var rule in problem is null ? policy.Rules : []) problem ??= Write(yaml, rule);
        text = problem is null ? yaml.ToString() : "";
        return problem is null;
    }

    private static string? Write(StringBuilder yaml, PolicyRule rule)
    {
        var where = $"rule {Quote.From(rule.Name)}";
        var effect = rule.Effect switch { PolicyRule.Types.Effect.Permit => "permit", PolicyRule.Types.Effect.Forbid => "forbid", _ => null };
        if (effect is null) return $"{where} has no effect; expected PERMIT or FORBID";
        var mode = rule.Mode switch
        {
            PolicyRule.Types.Mode.Unspecified or PolicyRule.Types.Mode.Enforce => "enforce",
            PolicyRule.Types.Mode.Off => "off",
            PolicyRule.Types.Mode.Shadow => "shadow",
            PolicyRule.Types.Mode.Warn => "warn",
            _ => null,
        };
        if (mode is null) return $"{where} has the mode {(int)rule.Mode}, which is none";
        yaml.Append(CultureInfo.InvariantCulture, $"  - name: {Quoted(rule.Name)}\n    effect: {effect}\n");
        if (mode != "enforce") yaml.Append(CultureInfo.InvariantCulture, $"    mode: {mode}\n");
        yaml.Append(CultureInfo.InvariantCulture, $"    subjects: [{Subjects(rule.Subjects)}]\n    capabilities:").Append(rule.Capabilities.Count == 0 ? " []\n" : "\n");
        foreach (var capability in rule.Capabilities)
        {
            if (!Capability.TryParse(capability.Kind, capability.Value, out var read, out var problem)) return $"{where}: {problem}";
            yaml.Append("      - ").Append(read.ToYaml()).Append('\n');
        }

        if (rule.Ceilings is { } ceilings) yaml.Append(CultureInfo.InvariantCulture, $"    ceilings: {{ {Ceilings(ceilings)} }}\n");
        if (rule.Reason.Length > 0) yaml.Append(CultureInfo.InvariantCulture, $"    reason: {Quoted(rule.Reason)}\n");
        return rule.Expires is null ? null : WriteEnd(yaml, rule.Expires, where);
    }

    private static string? WriteEnd(StringBuilder yaml, Timestamp end, string where)
    {
        // 0001 to 9999, as a document can write it.
        if (end.Nanos != 0 || end.Seconds is < -62_135_596_800 or > 253_402_300_799) return $"{where} expires at no whole second between the years 1 and 9999";
        yaml.Append(CultureInfo.InvariantCulture, $"    expires: {DateTimeOffset.FromUnixTimeSeconds(end.Seconds):yyyy-MM-dd'T'HH:mm:ss'Z'}\n");
        return null;
    }

    private static string Subjects(IEnumerable<PolicySubject> subjects) => string.Join(", ", subjects.Select(Subject));

    private static string Subject(PolicySubject subject)
    {
        (string Name, string Value)[] stated =
        [
            ("spiffeId", subject.SpiffeId), ("spiffeIdPrefix", subject.SpiffeIdPrefix), ("digest", subject.Digest), ("signer", subject.Signer), ("image", subject.Image),
            ("imagePrefix", subject.ImagePrefix), ("host", subject.Host), ("hostPrefix", subject.HostPrefix), ("namespace", subject.Namespace), ("lattice", subject.Lattice),
        ];
        var fields = stated.Where(field => field.Value.Length > 0).Select(field => $"{field.Name}: {Quoted(field.Value)}").ToList();
        if (subject.Labels.Count > 0)
            fields.Add($"labels: {{ {string.Join(", ", subject.Labels.OrderBy(label => label.Key, StringComparer.Ordinal).Select(label => $"{Quoted(label.Key)}: {Quoted(label.Value)}"))} }}");
        return fields.Count == 0 ? "{}" : $"{{ {string.Join(", ", fields)} }}";
    }

    private static string Ceilings(PolicyCeilings ceilings)
    {
        (string Name, string Value)[] stated =
        [
            ("memory", ceilings.Memory), ("memories", Count(ceilings.Memories)), ("fuel", Count(ceilings.Fuel)), ("time", ceilings.Time),
            ("instances", Count(ceilings.Instances)), ("tables", Count(ceilings.Tables)), ("tableElements", Count(ceilings.TableElements)),
        ];
        return string.Join(", ", stated.Where(field => field.Value.Length > 0).Select(field => $"{field.Name}: {Quoted(field.Value)}"));

        static string Count(long number) => number == 0 ? "" : number.ToString(CultureInfo.InvariantCulture);
    }

    // Always quoted: then no text begins something else, and the reader says what is wrong with it.
    private static string Quoted(string text) => $"'{text.Replace("'", "''", StringComparison.Ordinal)}'";
}
