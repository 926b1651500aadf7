using System.Collections.Immutable;

namespace Identity.Policy.Evaluation;

/// <summary>What rules in modes warn and shadow have to say about one start. It changes no answer.</summary>
internal sealed class AdmissionNotes
{
    private List<RuleWarning>? _warnings;
    private List<ShadowOutcome>? _shadow;

    public ImmutableArray<RuleWarning> Warnings => _warnings is null ? [] : [.. _warnings];

    public ImmutableArray<ShadowOutcome> Shadow => _shadow is null ? [] : [.. _shadow];

    public void Add(CapabilityRequest request, in CapabilityDecision decision)
    {
        if (WarningOf(decision) is { } warning) (_warnings ??= []).Add(new RuleWarning(NameOf(request), warning.Rule) { IsPermit = warning.IsPermit });
        if (ShadowOf(decision) is { } shadow) (_shadow ??= []).Add(new ShadowOutcome(NameOf(request), shadow.Rule, shadow.WouldAllow));
    }

    /// <summary>About functions of an interface, each by itself; about the interface where one rule says the same of all that are asked for.</summary>
    public void Add(CapabilityRequest whole, List<(CapabilityRequest Request, CapabilityDecision Decision)> functions)
    {
        var (warning, shadow) = (WarningOf(functions[0].Decision), ShadowOf(functions[0].Decision));
        var sameWarning = functions.TrueForAll(one => WarningOf(one.Decision) == warning);
        var sameShadow = functions.TrueForAll(one => ShadowOf(one.Decision) == shadow);
        foreach (var (request, decision) in functions)
        {
            if (!sameWarning && WarningOf(decision) is { } ofOne) (_warnings ??= []).Add(new RuleWarning(NameOf(request), ofOne.Rule) { IsPermit = ofOne.IsPermit });
            if (!sameShadow && ShadowOf(decision) is { } would) (_shadow ??= []).Add(new ShadowOutcome(NameOf(request), would.Rule, would.WouldAllow));
        }

        if (sameWarning && warning is { } said) (_warnings ??= []).Add(new RuleWarning(NameOf(whole), said.Rule) { IsPermit = said.IsPermit });
        if (sameShadow && shadow is { } turned) (_shadow ??= []).Add(new ShadowOutcome(NameOf(whole), turned.Rule, turned.WouldAllow));
    }

    public static string NameOf(CapabilityRequest request) => request is CapabilityRequest.Import ? request.ToCapability().Value : request.ToString();

    private static (RuleReference Rule, bool IsPermit)? WarningOf(in CapabilityDecision decision) =>
        decision is { Warned: true, Warning: { } warning } ? (warning, warning == decision.Determining) : null;

    private static (RuleReference Rule, bool WouldAllow)? ShadowOf(in CapabilityDecision decision) =>
        decision is { ShadowAllowed: { } allowed, ShadowRule: { } rule } ? (rule, allowed) : null;
}
