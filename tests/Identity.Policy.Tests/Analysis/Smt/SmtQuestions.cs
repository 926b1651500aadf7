using System.Globalization;

namespace Identity.Policy.Tests.Analysis.Smt;

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
    public string Allowed(PolicyRule[] rules) => $"(and {AnyOf(rules, RuleEffect.Permit)} (not {AnyOf(rules, RuleEffect.Forbid)}))";

    public string AnyOf(PolicyRule[] rules, RuleEffect effect) => Formula.Or(rules.Where(rule => rule.Effect == effect).Select(Means));

    public string Means(PolicyRule rule)
    {
        var permits = rule.Effect == RuleEffect.Permit;
        return Formula.And(
        [
            Formula.Or(rule.Subjects.Select(subject => SmtCaller.Means(subject, permits))), Formula.Or(rule.Capabilities.Select(capability => About.Means(capability, permits))),
            rule.Expires is { } expires ? string.Create(CultureInfo.InvariantCulture, $"(< hour {(expires - Samples.Now).TotalHours})") : "true",
        ]);
    }

    public void Dispose() => _z3.Dispose();
}
