using System.Collections.Immutable;
using Identity.Policy.Evaluation;

namespace Identity.Policy;

/// <summary>The door for starts: may this component start, and with what? It composes the single decisions of <see cref="PolicyDecision"/>.</summary>
public static class ComponentAdmission
{
    public static Decision Decide(CapabilityPolicy policy, ComponentStart start, DateTimeOffset now)
    {
        var principal = start.Principal;
        if (policy.Unreadable is { } why)
            return new Decision.Denied(new Explanation(principal.Id.ToString(), [new Refusal("start", RefusalReason.PolicyUnreadable, why)], SmallestGrant: null));

        var inquiry = new AdmissionInquiry(policy, principal, now);
        var imports = start.Imports.Imports;
        var grants = ImmutableArray.CreateBuilder<Grant>(imports.Length);
        inquiry.AskToStart(importsNothing: imports.IsEmpty);
        foreach (var import in imports)
        {
            if (inquiry.AskFor(import)) grants.Add(new Grant(import.Name, import.Functions));
        }

        if (inquiry.Denied() is { } denied) return denied;
        // Of exports nothing denies the start.
        var shadowDenied = inquiry.Notes.Shadow.Any(outcome => !outcome.WouldAllow);
        var exports = AskForExports(inquiry, start.Imports.Exports);
        var determination = inquiry.Determination;
        var nats = NatsPermissions.Of(new Evaluator(policy, principal, now), determination);
        return new Decision.Admitted(
            grants.MoveToImmutable(),
            nats,
            determination.Ceilings().Over(ResourceCeilings.Default),
            determination.References(),
            determination.ValidUntil())
        {
            Exports = exports,
            Warnings = inquiry.Notes.Warnings,
            Shadow = inquiry.Notes.Shadow,
            ShadowDenied = shadowDenied,
        };
    }

    private static ImmutableArray<Grant> AskForExports(AdmissionInquiry inquiry, ImmutableArray<ComponentExport> exports)
    {
        if (exports.IsEmpty) return [];
        var granted = ImmutableArray.CreateBuilder<Grant>();
        foreach (var export in exports)
        {
            if (inquiry.AskFor(export) is { } grant) granted.Add(grant);
        }

        return granted.DrainToImmutable();
    }
}
