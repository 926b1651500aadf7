using System.Collections.Immutable;

namespace Identity.Policy.Evaluation;

/// <summary>Asks what a start needs, one capability at a time, and keeps what the answers rest on.</summary>
internal sealed class AdmissionInquiry(CapabilityPolicy policy, Principal principal, DateTimeOffset now)
{
    // A hostile component may import a thousand things; looking for near rules is the one slow part of saying no.
    private const int MaxExplained = 64;

    private static readonly CapabilityRequest.Start Start = new();

    private readonly List<PolicyClause> _permits = [];
    private List<(CapabilityRequest? Request, CapabilityDecision Decision, Refusal? NotGrantable)>? _refused;

    /// <summary>The permits of anything that was asked for.</summary>
    public Determination Determination { get; } = new();

    public AdmissionNotes Notes { get; } = new();

    /// <summary>What is imported says what must be granted; a component that imports nothing still needs somebody's word to start.</summary>
    public void AskToStart(bool importsNothing)
    {
        var tally = Tell(Start);
        var decision = importsNothing ? tally.Decide() : tally.DecideUnlessForbidden();
        if (!decision.Allowed) Refuse(Start, decision);
        Notes.Add(Start, decision);
    }

    /// <summary>True when it may be linked.</summary>
    public bool AskFor(ComponentImport import)
    {
        if (import.Request is not { } whole || import.Kind != ImportKind.Instance)
        {
            var problem = InterfaceName.FindProblem(import.Name, out _, out _)
                ?? $"it is imported as {Article(import.Kind)}, and only instances can be granted";
            var refusal = new Refusal(import.Request is null ? Quoted.From(import.Name) : import.Name, RefusalReason.NotGrantable, problem);
            (_refused ??= []).Add((null, default, refusal));
            return false;
        }

        var decision = Ask(whole);
        if (decision.Allowed || import.Functions.IsEmpty)
        {
            if (!decision.Allowed) Refuse(whole, decision);
            else Hold(whole, import.Functions);
            Note(whole, decision, import.Functions);
            return decision.Allowed;
        }

        return AskForFunctions(import, whole, decision);
    }

    /// <summary>What may be called; null when nothing of it may.</summary>
    public Grant? AskFor(ComponentExport export)
    {
        if (export.Request is not { } whole) return null;
        var decision = Ask(whole);
        if (decision.Allowed || export.Functions.IsEmpty)
        {
            if (decision.Allowed) Hold(whole, export.Functions);
            Note(whole, decision, export.Functions);
            return decision.Allowed ? new Grant(export.Name, export.Functions) : null;
        }

        var functions = ImmutableArray.CreateBuilder<string>();
        var outcomes = new List<(CapabilityRequest Request, CapabilityDecision Decision)>();
        foreach (var function in export.Functions)
        {
            var one = whole with { Function = function };
            var answer = Ask(one);
            outcomes.Add((one, answer));
            if (answer.Allowed) functions.Add(function);
        }

        Notes.Add(whole, outcomes);
        return functions.Count == 0 ? null : new Grant(export.Name, functions.DrainToImmutable());
    }

    /// <summary>Null when nothing was refused.</summary>
    public Decision.Denied? Denied()
    {
        if (_refused is null) return null;
        var refusals = ImmutableArray.CreateBuilder<Refusal>();
        var missing = new List<string>();
        foreach (var (request, decision, notGrantable) in _refused)
        {
            if (request is null)
            {
                refusals.Add(notGrantable!);
                continue;
            }

            var refusal = decision.Reason == RefusalReason.Forbidden || refusals.Count < MaxExplained
                ? DecisionExplainer.RefusalOf(policy, principal, request, decision, now)
                : new Refusal(request.ToString(), decision.Reason, "no rule permits it");
            refusals.Add(refusal with { Capability = AdmissionNotes.NameOf(request) });
            missing.Add(request.ToCapability().ToYaml());
        }

        // Where something is forbidden or cannot be granted at all, no grant helps.
        var grant = refusals.All(refusal => refusal.Reason == RefusalReason.NotGranted) ? SmallestGrant.Of(policy, principal, missing) : null;
        return new Decision.Denied(new Explanation(principal.Id.ToString(), refusals.DrainToImmutable(), grant)) { Shadow = Notes.Shadow };
    }

    // The whole interface is not granted: some of its functions may be, and then each that is imported must be.
    private bool AskForFunctions(ComponentImport import, CapabilityRequest.Import whole, in CapabilityDecision decision)
    {
        var refused = new List<(CapabilityRequest Request, CapabilityDecision Decision)>();
        var outcomes = new List<(CapabilityRequest Request, CapabilityDecision Decision)>();
        foreach (var function in import.Functions)
        {
            var one = whole with { Function = function };
            var answer = Ask(one);
            outcomes.Add((one, answer));
            if (!answer.Allowed) refused.Add((one, answer));
        }

        Notes.Add(whole, outcomes);
        if (refused.Count == import.Functions.Length && refused.TrueForAll(one => one.Decision.Determining == refused[0].Decision.Determining))
        {
            // Nothing of it is granted, or one rule forbids it all: that is said once.
            var answer = refused[0].Decision.Reason == RefusalReason.Forbidden ? refused[0].Decision : decision;
            Refuse(whole, answer);
            return false;
        }

        foreach (var (request, answer) in refused) Refuse(request, answer);

        return refused.Count == 0;
    }

    // With rules in modes warn and shadow, functions decide as they do without; what they have to say about the interface may not concern a function.
    private void Note(CapabilityRequest whole, in CapabilityDecision decision, ImmutableArray<string> functions)
    {
        if (decision is { Warned: false, ShadowAllowed: null }) return;
        if (functions.IsEmpty) Notes.Add(whole, decision);
        else Notes.Add(whole, [.. functions.Select(function => Of(whole, function)).Select(one => (one, PolicyDecision.Decide(policy, principal, one, now)))]);
    }

    private CapabilityDecision Ask(CapabilityRequest request) => Tell(request).Decide();

    private Tally Tell(CapabilityRequest request)
    {
        _permits.Clear();
        var sink = new Sink(_permits);
        policy.ClauseIndex.Find(principal, request, now, ref sink);
        // Also where a forbid takes it away again, so that no forbid raises a ceiling.
        foreach (var permit in _permits) Determination.Add(permit);
        return sink.Tally;
    }

    /// <summary>Adds what permits of single functions state, so that granting all of them raises no ceiling.</summary>
    private void Hold(CapabilityRequest whole, ImmutableArray<string> functions)
    {
        if (!policy.HoldsFunctions) return;
        foreach (var function in functions)
        {
            _permits.Clear();
            var sink = new Sink(_permits);
            policy.ClauseIndex.Find(principal, Of(whole, function), now, ref sink);
            foreach (var permit in _permits)
            {
                if (permit.Ceilings != StatedCeilings.None) Determination.Add(permit);
            }
        }
    }

    private void Refuse(CapabilityRequest request, in CapabilityDecision decision) => (_refused ??= []).Add((request, decision, null));

    private static CapabilityRequest Of(CapabilityRequest whole, string function) =>
        whole is CapabilityRequest.Import import ? import with { Function = function } : ((CapabilityRequest.Export)whole) with { Function = function };

    private static string Article(ImportKind kind) => kind switch
    {
        ImportKind.Module => "a module",
        ImportKind.Function => "a function",
        ImportKind.Type => "a type",
        ImportKind.Component => "a component",
        _ => "something unknown",
    };

    /// <summary>Also keeps the permits of what is asked for.</summary>
    private struct Sink(List<PolicyClause> permits) : IClauseSink
    {
        public Tally Tally;

        public void Add(PolicyClause clause, Principal principal, CapabilityRequest request)
        {
            if (Tally.TakePermit(clause, principal, request)) permits.Add(clause);
        }
    }
}
