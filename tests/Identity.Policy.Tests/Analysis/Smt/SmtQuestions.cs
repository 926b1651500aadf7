using System.Globalization;

namespace Identity.Policy.Tests.Analysis.Smt;

/// <summary>A policy: its rules, and to whom it gives labels.</summary>
internal sealed record SmtPolicy(PolicyRule[] Rules, LabelAssignment[] Labels)
{
    public CapabilityPolicy Compiled => CapabilityPolicy.Create([new PolicyDocument { Name = "p", Rules = [.. Rules], Labels = [.. Labels], Source = "" }], 1);

    /// <summary>docs/policy.md, "Trying a rule out": nothing comes of a rule in mode off or shadow, nor of a forbid that only warns.</summary>
    public IEnumerable<PolicyRule> Deciding => Rules.Where(rule => rule.Mode == RuleMode.Enforce || (rule.Mode == RuleMode.Warn && rule.Effect == RuleEffect.Permit));

    public SmtPolicy With(IEnumerable<PolicyRule> rules) => this with { Rules = [.. rules] };

    public override string ToString() => Cases.Show(Rules) + string.Concat(Labels.Select(label => $"  {label.Name}={label.Value}: {string.Join(" | ", label.Subjects)}\n"));
}

/// <summary>Policies about one kind of request as formulas, and what the solver says of them.</summary>
internal sealed class SmtQuestions : IDisposable
{
    private readonly Z3Solver _z3;

    public SmtQuestions(Z3Solver z3, SmtRequests about)
    {
        (_z3, About) = (z3, about);
        z3.Run("(set-option :print-success false)" + SmtCaller.Declarations + about.Declarations);
    }

    public SmtRequests About { get; }

    public void Push(string commands) => _z3.Run("(push)" + commands);

    public void Pop() => _z3.Run("(pop)");

    /// <summary>Whether somebody at some moment asks for something of which this is so.</summary>
    public bool Finds(string formula) => _z3.Run($"(push)(assert {formula})(check-sat)(pop)") switch
    {
        "sat" => true,
        "unsat" => false,
        var other => throw new InvalidOperationException($"the solver says {other}"),
    };

    /// <summary>Default deny, forbid overrides permit.</summary>
    public string Allowed(SmtPolicy policy) => $"(and {AnyOf(policy, RuleEffect.Permit)} (not {AnyOf(policy, RuleEffect.Forbid)}))";

    public string AnyOf(SmtPolicy policy, RuleEffect effect) => Formula.Or(policy.Deciding.Where(rule => rule.Effect == effect).Select(rule => Means(policy, rule)));

    public string Means(SmtPolicy policy, PolicyRule rule)
    {
        var permits = rule.Effect == RuleEffect.Permit;
        return Formula.And([OfCaller(policy, rule), Formula.Or(rule.Capabilities.Select(capability => About.Means(capability, permits)))]);
    }

    /// <summary>Whom a rule means, while it does.</summary>
    public static string OfCaller(SmtPolicy policy, PolicyRule rule) => Formula.And(
    [
        Formula.Or(rule.Subjects.Select(subject => SmtCaller.Means(subject, policy.Labels, rule.Effect == RuleEffect.Permit))),
        rule.Expires is { } expires ? string.Create(CultureInfo.InvariantCulture, $"(< hour {(expires - Samples.Now).TotalHours})") : "true",
    ]);

    public void Dispose() => _z3.Dispose();
}
