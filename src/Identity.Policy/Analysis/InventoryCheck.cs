using System.Collections.Immutable;
using System.Numerics;
using Identity.Policy.Evaluation;

namespace Identity.Policy.Analysis;

/// <summary>Looks at rules beside what is there: components with their imports, and registered identities.</summary>
internal static class InventoryCheck
{
    public static IEnumerable<PolicyWarning> Find(CapabilityPolicy policy, PolicyInventory inventory, RuleLines lines, DateTimeOffset now) =>
        MeansNobody(policy, inventory, lines).Concat(OverGrants(policy, inventory, lines, now)).Concat(NotGranted(policy, inventory, now));

    /// <summary>Rules of which the inventory does not tell what they ask for, each with the warning that was not looked for.</summary>
    public static IEnumerable<PolicyWarning> NotChecked(CapabilityPolicy policy, PolicyInventory inventory, RuleLines lines, DateTimeOffset now) =>
        MayMeanNobody(policy, inventory, lines).Concat(MayBeOverGrants(policy, inventory, lines, now));

    private static IEnumerable<PolicyWarning> MeansNobody(CapabilityPolicy policy, PolicyInventory inventory, RuleLines lines)
    {
        foreach (var (rule, subject, meant) in ForRegistered(policy, inventory))
        {
            if (meant.Exists(NeedsNoEntry) || inventory.Identities.Any(principal => meant.Exists(one => one.MayMean(principal, out _)))) continue;
            yield return new PolicyWarning(
                PolicyWarningKind.MeansNobody, rule, lines.Of(rule), $"means {SubjectText.Of(subject)}, and {WhyNobody(subject, meant.Count)}",
                subject.Labels.IsEmpty ? "register the identity, or correct its spelling" : "give the label to somebody who is registered, or register whom it is given to");
        }
    }

    private static IEnumerable<PolicyWarning> MayMeanNobody(CapabilityPolicy policy, PolicyInventory inventory, RuleLines lines)
    {
        ImmutableArray<Principal> known = [.. inventory.Identities, .. inventory.Components.Select(component => component.Principal)];
        foreach (var (rule, subject, meant) in ForRegistered(policy, inventory))
        {
            var least = LeastUntold(known, meant);
            if (least is null && meant.Exists(NeedsNoEntry))
            {
                yield return new PolicyWarning(
                    PolicyWarningKind.MeansNobody, rule, lines.Of(rule), $"whether anybody is {SubjectText.Of(subject)}: what is below /wasmcloud and /ns needs no entry",
                    "compare the spelling with what the host or the cluster says; once it was let through, --server knows of it");
                continue;
            }

            if (least is not { } untold || untold == PrincipalAttributes.None) continue;
            yield return new PolicyWarning(
                PolicyWarningKind.MeansNobody, rule, lines.Of(rule),
                $"whether anybody is {SubjectText.Of(subject)}: no entry tells the {DecisionExplainer.NamesOf(untold)}", HowToTell(untold));
        }
    }

    // The subjects of all rules that should mean somebody who is registered, each with those that it means through labels.
    private static IEnumerable<(RuleReference Rule, PolicySubject Subject, List<PolicySubject> Meant)> ForRegistered(CapabilityPolicy policy, PolicyInventory inventory)
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
                    yield return (reference, subject, meant);
                }
            }
        }
    }

    // wasmCloud names its components, and a mesh its service accounts: they have these IDs without an entry (docs/decision-points.md).
    internal static bool NeedsNoEntry(PolicySubject subject) =>
        (subject.SpiffeId?.ToString() ?? subject.SpiffeIdPrefix?.Text)?["spiffe://".Length..].Split('/') is [_, "wasmcloud" or "ns", ..];

    // What must be told at least to know that somebody is meant; null when nobody may be.
    private static PrincipalAttributes? LeastUntold(ImmutableArray<Principal> known, List<PolicySubject> meant)
    {
        PrincipalAttributes? least = null;
        foreach (var principal in known)
        {
            foreach (var subject in meant)
            {
                if (!subject.MayMean(principal, out var untold)) continue;
                if (untold == PrincipalAttributes.None) return untold;
                // A file of the component proves keys, and no other names.
                if ((untold & PrincipalAttributes.Signer) != 0 && !subject.Signer!.IsKey) untold |= PrincipalAttributes.NamedSigner;
                if (least is not { } fewest || BitOperations.PopCount((uint)untold) < BitOperations.PopCount((uint)fewest)) least = untold;
            }
        }

        return least;
    }

    private static string HowToTell(PrincipalAttributes untold) => (untold & ~(PrincipalAttributes.Digest | PrincipalAttributes.Signer | PrincipalAttributes.Host)) != PrincipalAttributes.None
        ? "nothing that is looked at here tells it: state it in an expectation (`identity policy test`), or in a question (`identity policy decide`)"
        : untold == PrincipalAttributes.Host ? "name the entry of the component as well: where there is one parent, that is its host" : "name the file of the component that is meant: --component [ID=]FILE";

    private static string WhyNobody(PolicySubject subject, int meant) => subject.Labels.IsEmpty ? "no registered identity is that"
        : meant == 0 ? $"{(subject.Labels.Count == 1 ? "that label is" : "these labels are")} given to nobody it could mean"
        : $"no registered identity has {(subject.Labels.Count == 1 ? "that label" : "these labels")}";

    private static IEnumerable<PolicyWarning> OverGrants(CapabilityPolicy policy, PolicyInventory inventory, RuleLines lines, DateTimeOffset now)
    {
        foreach (var (clause, meant, perhaps) in ForComponents(policy, inventory, now))
        {
            if (meant.Length == 0 || Uses(meant, clause) || Uses(perhaps, clause) || Unseen(clause, inventory) is not null) continue;
            var verb = clause.Capability is Capability.Import ? "import" : "export";
            yield return new PolicyWarning(
                PolicyWarningKind.OverGrant, clause.Rule, lines.Of(clause.Rule),
                $"grants {clause.Capability}, which {Named(meant)} not {verb}", $"remove the capability; what nobody {verb}s only waits to be misused");
        }
    }

    private static IEnumerable<PolicyWarning> MayBeOverGrants(CapabilityPolicy policy, PolicyInventory inventory, RuleLines lines, DateTimeOffset now)
    {
        foreach (var (clause, meant, perhaps) in ForComponents(policy, inventory, now))
        {
            if (meant.Length + perhaps.Length == 0 || Uses(meant, clause)) continue;
            var (why, advice) = (meant.Length > 0 && !Uses(perhaps, clause)) ? OfUnseen(Unseen(clause, inventory), clause) : OfPerhaps(perhaps, clause);
            if (why is null) continue;
            yield return new PolicyWarning(
                PolicyWarningKind.OverGrant, clause.Rule, lines.Of(clause.Rule), $"whether anything uses '{clause.Capability}', granted to {SubjectText.Of(clause.Subject)}: {why}", advice);
        }

        static (string? Why, string Advice) OfUnseen(Principal? unseen, PolicyClause clause) => unseen is null ? (null, "")
            : ($"nothing tells what {unseen.Id} {(clause.Capability is Capability.Import ? "imports" : "exports")}", "name its file as well: --component [ID=]FILE");

        static (string? Why, string Advice) OfPerhaps(ComponentStart[] perhaps, PolicyClause clause)
        {
            var untold = LeastUntold([.. perhaps.Select(component => component.Principal)], [clause.Subject])!.Value;
            return ($"of {(perhaps.Length == 1 ? $"the component {perhaps[0].Name}" : "the components")} that may be meant nothing tells the {DecisionExplainer.NamesOf(untold)}", HowToTell(untold));
        }
    }

    // Somebody who may have it, is a component, and of whom no file and no host tells what it uses.
    private static Principal? Unseen(PolicyClause clause, PolicyInventory inventory) => inventory.Identities.FirstOrDefault(principal =>
        (principal.Digest is not null || (principal.Unknown & PrincipalAttributes.Digest) != 0) && clause.Subject.MayMean(principal, out _)
        && !inventory.Components.Any(component => component.Id.Equals(principal.Id)));

    // What is granted to components, with those that are meant and those that are if what is not told of them is so. A package is granted for what is
    // used of it, however little: that is what one writes it for, and the next build may use more.
    private static IEnumerable<(PolicyClause Clause, ComponentStart[] Meant, ComponentStart[] Perhaps)> ForComponents(CapabilityPolicy policy, PolicyInventory inventory, DateTimeOffset now)
    {
        foreach (var clause in policy.ClauseList)
        {
            if (clause.Effect != RuleEffect.Permit || clause.Mode == RuleMode.Shadow || clause.IsExpired(now) || clause.Capability is not (Capability.Import or Capability.Export)) continue;
            var may = inventory.Components.ToLookup(component => clause.Subject.MayMean(component.Principal, out var untold) ? untold == PrincipalAttributes.None : (bool?)null);
            yield return (clause, [.. may[true]], [.. may[false]]);
        }
    }

    private static bool Uses(ComponentStart[] components, PolicyClause clause) => Array.Exists(components, component => clause.Capability is Capability.Import
        ? component.Imports.Imports.Any(import => Needs(Asks(import)).Any(clause.Capability.Touches))
        : component.Imports.Exports.Any(export => Needs(Calls(export)).Any(clause.Capability.Touches)));

    private static IEnumerable<PolicyWarning> NotGranted(CapabilityPolicy policy, PolicyInventory inventory, DateTimeOffset now)
    {
        foreach (var component in inventory.Components)
        {
            if (ComponentAdmission.Decide(policy, component, now) is Decision.Denied denied)
            {
                foreach (var refusal in denied.Refusals)
                    yield return Refused(refusal, $"the component {component.Name} ({component.Id}) may not {(refusal.Capability == "start" ? "start" : $"import {refusal.Capability}")}: {refusal.Detail}");
            }

            if (HostCalls.FirstOf(HostCalls.All, component.Imports) is { } called && !PolicyDecision.Decide(policy, component.Principal, called, now).Allowed)
            {
                foreach (var refusal in PolicyDecision.Explain(policy, component.Principal, called, now).Refusals)
                    yield return Refused(refusal, $"identity-host may not call {called.ToCapability().Value} of the component {component.Name} ({component.Id}), and so does not start it: {refusal.Detail}");
            }
        }

        static PolicyWarning Refused(Refusal refusal, string text) => new(
            PolicyWarningKind.NotGranted, refusal.ForbiddenBy, 0, text,
            refusal.Reason == RefusalReason.NotGranted ? "grant it (`identity policy suggest`), or build the component without it"
                : refusal.Reason == RefusalReason.Forbidden ? "build the component without it, or change the forbid" : "build the component without it");
    }

    /// <summary>An import as it is asked for at the door: the interface, and each of its functions.</summary>
    internal static IEnumerable<CapabilityRequest> Asks(ComponentImport import)
    {
        if (!InterfaceName.TryParse(import.Name, out var name, out _)) return [];
        return [new CapabilityRequest.Import(name), .. (import.Functions.IsDefault ? [] : import.Functions).Select(function => new CapabilityRequest.Import(name, function))];
    }

    // An export as it may be called: the interface, and each of its functions; or a function by itself.
    private static IEnumerable<CapabilityRequest> Calls(ComponentExport export) => export.Request is not { } whole ? []
        : [whole, .. (export.Functions.IsDefault ? [] : export.Functions).Select(function => whole with { Function = function })];

    // The functions that are listed; the whole interface only where none is.
    private static CapabilityRequest[] Needs(IEnumerable<CapabilityRequest> asks)
    {
        var asked = asks.ToArray();
        return asked.Length > 1 ? asked[1..] : asked;
    }

    private static string Named(ComponentStart[] components) => components.Length == 1
        ? $"the component {components[0].Name} does"
        : $"the {components.Length} components it means ({string.Join(", ", components.Take(3).Select(component => component.Name))}{(components.Length > 3 ? ", …" : "")}) do";
}
