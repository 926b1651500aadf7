using System.Collections.Immutable;
using Identity.Policy.Evaluation;

namespace Identity.Policy.Analysis;

/// <summary>Looks at rules beside what is there: components with their imports, and registered identities.</summary>
internal static class InventoryCheck
{
    public static IEnumerable<PolicyWarning> Find(CapabilityPolicy policy, PolicyInventory inventory, RuleLines lines, DateTimeOffset now) =>
        MeansNobody(policy, inventory, lines).Concat(OverGrants(policy, inventory, lines, now)).Concat(NotGranted(policy, inventory, now));

    private static IEnumerable<PolicyWarning> MeansNobody(CapabilityPolicy policy, PolicyInventory inventory, RuleLines lines)
    {
        if (inventory.Identities.IsEmpty) yield break;
        var labels = new LabelExpansion(policy.Documents);
        var meaning = policy.ClauseList.Select(clause => clause.Rule).ToHashSet();
        foreach (var document in policy.Documents)
        {
            foreach (var rule in document.Rules)
            {
                var reference = new RuleReference(document.Name, rule.Name);
                // Off, or dead as a whole, which is said already.
                if (!meaning.Contains(reference)) continue;
                foreach (var subject in rule.Subjects)
                {
                    var meant = subject.Labels.IsEmpty ? [subject] : labels.Expand(subject).ToList();
                    if (labels.IsExhausted) yield break;
                    // A forbid for a whole prefix, or for some host or bytes, is a guardrail for those to come.
                    if (rule.Effect != RuleEffect.Permit && meant.Exists(one => one.SpiffeId is null)) continue;
                    if (inventory.Identities.Any(principal => meant.Exists(one => one.MayMean(principal, out _)))) continue;
                    yield return new PolicyWarning(
                        PolicyWarningKind.MeansNobody, reference, lines.Of(reference), $"means {SubjectText.Of(subject)}, and {WhyNobody(subject, meant.Count)}",
                        subject.Labels.IsEmpty ? "register the identity, or correct its spelling" : "give the label to somebody who is registered, or register whom it is given to");
                }
            }
        }
    }

    private static string WhyNobody(PolicySubject subject, int meant) => subject.Labels.IsEmpty ? "no registered identity is that"
        : meant == 0 ? $"{(subject.Labels.Count == 1 ? "that label is" : "these labels are")} given to nobody it could mean"
        : $"no registered identity has {(subject.Labels.Count == 1 ? "that label" : "these labels")}";

    private static IEnumerable<PolicyWarning> OverGrants(CapabilityPolicy policy, PolicyInventory inventory, RuleLines lines, DateTimeOffset now)
    {
        foreach (var clause in policy.ClauseList)
        {
            if (clause.Effect != RuleEffect.Permit || clause.Mode == RuleMode.Shadow || clause.IsExpired(now) || clause.Capability is not Capability.Import) continue;
            var meant = inventory.Components.Where(component => clause.Subject.MayMean(component.Principal, out var untold) && untold == 0).ToArray();
            if (meant.Length == 0 || meant.Any(component => component.Imports.Imports.Any(import => Needs(import).Any(clause.Capability.Touches)))) continue;
            yield return new PolicyWarning(
                PolicyWarningKind.OverGrant, clause.Rule, lines.Of(clause.Rule),
                $"grants {clause.Capability}, which {Named(meant)} not import", "remove the capability; what nobody imports only waits to be misused");
        }
    }

    private static IEnumerable<PolicyWarning> NotGranted(CapabilityPolicy policy, PolicyInventory inventory, DateTimeOffset now)
    {
        foreach (var component in inventory.Components)
        {
            if (ComponentAdmission.Decide(policy, component, now) is not Decision.Denied denied) continue;
            foreach (var refusal in denied.Refusals)
            {
                yield return new PolicyWarning(
                    PolicyWarningKind.NotGranted, refusal.ForbiddenBy, 0,
                    $"the component {component.Name} ({component.Id}) may not {(refusal.Capability == "start" ? "start" : $"import {refusal.Capability}")}: {refusal.Detail}",
                    refusal.Reason == RefusalReason.NotGranted ? "grant it (`identity policy suggest`), or build the component without it"
                        : refusal.Reason == RefusalReason.Forbidden ? "build the component without it, or change the forbid" : "build the component without it");
            }
        }
    }

    /// <summary>An import as it is asked for at the door: the interface, and each of its functions.</summary>
    internal static IEnumerable<CapabilityRequest> Asks(ComponentImport import)
    {
        if (!InterfaceName.TryParse(import.Name, out var name, out _)) return [];
        return [new CapabilityRequest.Import(name), .. (import.Functions.IsDefault ? [] : import.Functions).Select(function => new CapabilityRequest.Import(name, function))];
    }

    // The functions that are listed; the whole interface only where none is.
    private static CapabilityRequest[] Needs(ComponentImport import)
    {
        var asked = Asks(import).ToArray();
        return asked.Length > 1 ? asked[1..] : asked;
    }

    private static string Named(ComponentStart[] components) => components.Length == 1
        ? $"the component {components[0].Name} does"
        : $"the {components.Length} components it means ({string.Join(", ", components.Take(3).Select(component => component.Name))}{(components.Length > 3 ? ", …" : "")}) do";
}
