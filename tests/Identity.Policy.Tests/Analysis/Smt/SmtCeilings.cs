using System.Globalization;

namespace Identity.Policy.Tests.Analysis.Smt;

/// <summary>
/// Ceilings as formulas, from docs/policy.md, "Ceilings": of all permits of what is asked for the smallest that is stated, and the default where none states one. More is
/// consumed exactly when some value is not exceeded before and is afterwards; of values only those matter that are stated, and the default.
/// </summary>
internal static class SmtCeilings
{
    public const long Default = 1_000_000_000;

    public static readonly long?[] Values = [null, null, 5, 7, Default, 2_000_000_000, 3_000_000_000];

    /// <param name="may">That it may be done, before and after.</param>
    /// <param name="holds">Whether a permit's ceiling is one of those that count, before and after.</param>
    public static string Rises(SmtPolicy before, SmtPolicy after, string may, Func<SmtPolicy, PolicyRule, string> holds) => Formula.And(
    [
        may,
        Formula.Or(Values.OfType<long>().Distinct().Select(value => $"(and {Above(after, value, holds)} (not {Above(before, value, holds)}))")),
    ]);

    private static string Above(SmtPolicy policy, long value, Func<SmtPolicy, PolicyRule, string> holds)
    {
        var stating = policy.Deciding.Where(rule => rule.Effect == RuleEffect.Permit && rule.Ceilings.Fuel is not null).ToArray();
        var small = Formula.Or(stating.Where(rule => rule.Ceilings.Fuel <= value).Select(rule => holds(policy, rule)));
        return $"(and (not {small}) {(Default > value ? "true" : Formula.Or(stating.Select(rule => holds(policy, rule))))})";
    }
}

/// <summary>
/// Components as variables: up to two imports and two exports, each of an interface or of one function of it, whether they are there, and what is asked for every component. That is enough: a rise is shown by one
/// permit that held before, one that is larger afterwards, and an import (or the permit to start) by which the component is admitted.
/// </summary>
internal static class SmtAdmission
{
    private static readonly string[] Parts = ["_import0", "_import1", "_export0", "_export1"];

    public static string Declarations { get; } = string.Concat(Parts.Select(part =>
        Formula.Declare("Int", "package" + part, "interface" + part, "track" + part, "function" + part) + Formula.Declare("Bool", "has" + part)
        + string.Create(CultureInfo.InvariantCulture, $"(assert (and (>= track{part} {Formula.Absent}) (>= function{part} {Formula.Absent}) (>= interface{part} 0)))")));

    /// <summary>No forbid to start, every import granted; the start itself when nothing is imported.</summary>
    public static string Admitted(SmtPolicy policy)
    {
        return Formula.And(
        [
            $"(not {Starts(RuleEffect.Forbid)})",
            $"(or has_import0 has_import1 {Starts(RuleEffect.Permit)})",
            .. Parts.Take(2).Select(part => $"(=> has{part} (and {Imports(RuleEffect.Permit, part)} (not {Imports(RuleEffect.Forbid, part)})))"),
        ]);

        string Starts(RuleEffect effect) => Any(policy, effect, capability => capability == "start" ? "true" : "false");
        string Imports(RuleEffect effect, string part) => Any(policy, effect, capability =>
            capability.StartsWith("import ", StringComparison.Ordinal) ? SmtInterface.Means(capability["import ".Length..], effect == RuleEffect.Permit, part) : "false");
    }

    /// <summary>A permit of the start, of anything on NATS, or of what the component imports or exports, whoever forbids it.</summary>
    public static string Holds(SmtPolicy policy, PolicyRule rule) => Formula.And(
    [
        SmtQuestions.OfCaller(policy, rule),
        Formula.Or(rule.Capabilities.Select(capability => capability.ToString()).Select(capability => capability.Split(' ')[0] switch
        {
            "start" or "natsPublish" => "true",
            "import" => Formula.Or(Parts[..2].Select(part => $"(and has{part} {SmtInterface.Means(capability["import ".Length..], true, part)})")),
            "export" => Formula.Or(Parts[2..].Select(part => $"(and has{part} {SmtInterface.Means(capability["export ".Length..], true, part)})")),
            _ => "false",
        })),
    ]);

    private static string Any(SmtPolicy policy, RuleEffect effect, Func<string, string> isMeant) => Formula.Or(policy.Deciding.Where(rule => rule.Effect == effect)
        .Select(rule => Formula.And([SmtQuestions.OfCaller(policy, rule), Formula.Or(rule.Capabilities.Select(capability => isMeant(capability.ToString())))])));
}
