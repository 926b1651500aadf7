using System.Collections.Immutable;
using Spiffe.Net;

namespace Identity.Policy.Analysis;

/// <summary>Looks at rules beside what is there: components with their imports, and registered identities.</summary>
internal static class InventoryCheck
{
    public static IEnumerable<PolicyWarning> Find(CapabilityPolicy policy, PolicyInventory inventory, RuleLines lines, DateTimeOffset now) =>
        MeansNobody(policy, inventory, lines).Concat(OverGrants(policy, inventory, lines, now)).Concat(NotGranted(policy, inventory, now));

    private static IEnumerable<PolicyWarning> MeansNobody(CapabilityPolicy policy, PolicyInventory inventory, RuleLines lines)
    {
        if (inventory.Identities.IsEmpty) yield break;
        foreach (var document in policy.Documents)
        {
            foreach (var rule in document.Rules)
            {
                var reference = new RuleReference(document.Name, rule.Name);
                foreach (var subject in rule.Subjects)
                {
                    // A forbid for a whole prefix is a guardrail for those to come.
                    if (subject.SpiffeId is null && (subject.SpiffeIdPrefix is null || rule.Effect != RuleEffect.Permit)) continue;
                    if (inventory.Identities.Any(id => Means(subject, id))) continue;
                    yield return new PolicyWarning(
                        PolicyWarningKind.MeansNobody, reference, lines.Of(reference),
                        $"means {SubjectText.Of(subject)}, and no registered identity is that", "register the identity, or correct its spelling");
                }
            }
        }
    }

    private static IEnumerable<PolicyWarning> OverGrants(CapabilityPolicy policy, PolicyInventory inventory, RuleLines lines, DateTimeOffset now)
    {
        foreach (var clause in policy.ClauseList)
        {
            if (clause.Effect != RuleEffect.Permit || clause.Mode == RuleMode.Shadow || clause.IsExpired(now) || clause.Capability is not Capability.Import) continue;
            var meant = inventory.Components.Where(component => clause.Subject.MayMean(component.Principal, out var untold) && untold == 0).ToArray();
            if (meant.Length == 0 || meant.Any(component => component.Imports.Imports.Any(import => Asks(import).Any(clause.Capability.Touches)))) continue;
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

    private static bool Means(PolicySubject subject, SpiffeId id) =>
        (subject.SpiffeId is null || subject.SpiffeId.Equals(id)) && (subject.SpiffeIdPrefix is null || subject.SpiffeIdPrefix.Covers(id));

    private static string Named(ComponentStart[] components) => components.Length == 1
        ? $"the component {components[0].Name} does"
        : $"the {components.Length} components it means ({string.Join(", ", components.Take(3).Select(component => component.Name))}{(components.Length > 3 ? ", …" : "")}) do";
}
