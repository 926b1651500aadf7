using System.Collections.Immutable;
using Identity.Policy.Evaluation;

namespace Identity.Policy;

/// <summary>The one door: may this component start, and with what? Default deny, forbid overrides permit, and the order of rules says nothing.</summary>
public static class ComponentAdmission
{
    public static Decision Decide(CapabilityPolicy policy, ComponentStart start, DateTimeOffset now)
    {
        var caller = start.Principal;
        if (policy.Unreadable is { } why) return Deny(policy, caller, [new Refusal("start", RefusalReason.PolicyUnreadable, why)]);

        var evaluator = new Evaluator(policy, caller, now);
        var determination = new Determination();
        var imports = start.Imports.Imports;
        var grants = ImmutableArray.CreateBuilder<Grant>(imports.Length);
        List<Refusal>? refusals = null;

        if (RefuseStart(evaluator, importsNothing: imports.IsEmpty, determination) is { } refusedStart) (refusals ??= []).Add(refusedStart);
        foreach (var import in imports)
        {
            if (Refuse(evaluator, import, determination) is { } refused) (refusals ??= []).Add(refused);
            else grants.Add(new Grant(import.Name));
        }

        if (refusals is not null) return Deny(policy, caller, Explainer.WithNearestMisses(evaluator, refusals));

        var nats = NatsPermissions.Of(evaluator, determination);
        return new Decision.Admitted(
            grants.MoveToImmutable(),
            nats,
            determination.Ceilings().Over(ResourceCeilings.Default),
            determination.References(),
            determination.ValidUntil());
    }

    // What is imported says what must be granted; a component that imports nothing still needs somebody's word to start.
    private static Refusal? RefuseStart(in Evaluator evaluator, bool importsNothing, Determination determination)
    {
        ReadOnlySpan<int> keys = [CapabilityKeys.Start];
        if (evaluator.ForbidOf(keys) is { } forbid) return Explainer.Forbidden("start", forbid);
        var permitted = evaluator.AddPermitsOf(keys, determination);
        return permitted || !importsNothing ? null : Explainer.NotGranted("start");
    }

    private static Refusal? Refuse(in Evaluator evaluator, ComponentImport import, Determination determination)
    {
        if (InterfaceName.FindProblem(import.Name, out var slash, out var at) is { } problem)
            return new Refusal(Quoted.From(import.Name), RefusalReason.NotGrantable, problem);
        if (import.Kind != ImportKind.Instance)
            return new Refusal(import.Name, RefusalReason.NotGrantable, $"it is imported as {Article(import.Kind)}, and only instances can be granted");

        Span<int> found = stackalloc int[4];
        ReadOnlySpan<int> keys = found[..evaluator.Policy.Index.Keys.Matching(import.Name, slash, at, found)];
        if (evaluator.ForbidOf(keys) is { } forbid) return Explainer.Forbidden(import.Name, forbid);
        return evaluator.AddPermitsOf(keys, determination) ? null : Explainer.NotGranted(import.Name);
    }

    private static Decision.Denied Deny(CapabilityPolicy policy, Principal caller, ImmutableArray<Refusal> refusals) =>
        new(new Explanation(caller.Id.ToString(), refusals, SmallestGrant.Admitting(policy, caller, refusals)));

    private static string Article(ImportKind kind) => kind switch
    {
        ImportKind.Module => "a module",
        ImportKind.Function => "a function",
        ImportKind.Type => "a type",
        ImportKind.Component => "a component",
        _ => "something unknown",
    };
}
