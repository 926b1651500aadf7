using System.Collections.Frozen;
using Identity.Ledger.V1;
using Identity.Policy;
using Identity.Server.DecisionPoints;
using Identity.Server.DecisionPoints.WasmCloudV1;
using Identity.Server.Ledger;
using Identity.Server.NatsAuthCallout;
using Step = Identity.Ledger.V1.PolicyStage.Types.Step;

namespace Identity.Server.ComponentPolicy;

/// <summary>Tries staged changes on everything that runs, and on what has happened. Used by one reader: <see cref="StageRunner"/>.</summary>
internal sealed class StageSurvey(
    ControlPlaneLedger ledger, StagedChanges stages, LiveAdmissions admissions, GrantedLogins logins, INatsLoginBackend nats, TimeProvider time, HeldAnswers? held = null)
{
    // What a component asks for while it runs, and nobody sees beforehand: lost means perhaps denied. Tokens are refused to it at once.
    private static readonly FrozenSet<string> Asked = FrozenSet.Create(StringComparer.Ordinal, "audience", "connect", "resolve", "config", "secret", "mount");
    private static readonly FrozenSet<string> SaidOnNats =
        FrozenSet.Create(StringComparer.Ordinal, "natsPublish", "natsSubscribe", "natsRespond", "stream", "consumer", "bucket");

    // Without a policy nobody had a right on NATS, so that no session of an earlier process is left.
    private readonly bool _mayHaveSessions = ledger.State.PolicyRevision > 0;
    private readonly Dictionary<string, Candidate> _candidates = new(StringComparer.Ordinal);

    /// <summary>Forgets those that are over.</summary>
    public void Keep(IReadOnlySet<string> ids)
    {
        foreach (var over in _candidates.Keys.Where(id => !ids.Contains(id)).ToList()) _candidates.Remove(over);
    }

    /// <summary>Until when there may be NATS sessions that nobody here knows of, and that the change may take something from; null when there are none.</summary>
    public DateTimeOffset? MayMissSessionsUntil(PolicyStage stage, ControlPlaneState state) =>
        _mayHaveSessions && logins.MayMissSome && CandidateOf(stage, state).Difference.TakesAnyOf(SaidOnNats) ? logins.MayMissSomeUntil : null;

    /// <summary>Why something that runs would be denied; null when nothing would.</summary>
    public string? WhyDenied(PolicyStage stage, ControlPlaneState state)
    {
        var candidate = CandidateOf(stage, state);
        var trial = TrialOf(candidate, state);
        var tally = stages.TallyOf(stage.Id);
        var running = admissions.All();
        foreach (var admission in running)
        {
            tally.Look();
            if (trial.WhyDenied(admission) is { } why) return why;
        }

        var facts = nats.Facts;
        foreach (var id in logins.Ids())
        {
            tally.Look();
            if (trial.WhyDenied(id, facts) is { } why) return why;
        }

        return WhyMissing(stage, candidate, trial, running);
    }

    /// <summary>Why something of what has happened would be denied; null when nothing would.</summary>
    public string? WhyDenied(PolicyStage stage, ControlPlaneState state, IReadOnlyCollection<StageObservation> happened)
    {
        var candidate = CandidateOf(stage, state);
        var trial = TrialOf(candidate, state);
        var tally = stages.TallyOf(stage.Id);
        var facts = nats.Facts;
        foreach (var observation in happened)
        {
            tally.Look();
            var why = observation switch
            {
                StageObservation.Admission admission => trial.WhyDenied(admission.Begun),
                StageObservation.Login login => trial.WhyDenied(login.Id, facts),
                StageObservation.Token token => trial.WhyDenied(token.Id, token.Audience, admissions.Find(token.Id, out _)?.PrincipalFor(trial.SignerKeys)),
                StageObservation.Question question => trial.WhyDenied(question.Principal, question.Request),
                _ => null,
            };
            if (why is null) continue;
            if (observation is not StageObservation.Question || !OnlyCounts(stage)) return why;
            tally.CountDenial(why);
        }

        return WhyMissing(stage, candidate, trial, [.. happened.OfType<StageObservation.Admission>().Select(admission => admission.Begun)]);
    }

    /// <summary>Counts what would be denied of what strangers say is asked. That halts nothing: whoever reaches a door could say it.</summary>
    public void Count(PolicyStage stage, ControlPlaneState state, IReadOnlyCollection<StageClaim> claims)
    {
        var trial = TrialOf(CandidateOf(stage, state), state);
        var tally = stages.TallyOf(stage.Id);
        foreach (var claim in claims)
        {
            if (trial.WhyDenied(claim.Principal, claim.Request) is { } why) tally.CountClaim($"{why} (asked at {claim.Door}, where nobody is proven)");
        }
    }

    /// <summary>Counts what would be denied of what wasmCloud v1 hosts were permitted and do not ask again. It halts nothing either: v1 proves no host.</summary>
    public void CountHeld(PolicyStage stage, ControlPlaneState state)
    {
        if (held is null) return;
        var tally = stages.TallyOf(stage.Id);
        var until = tally.HeldUntil ??= time.GetUtcNow();
        var candidate = CandidateOf(stage, state);
        var trial = TrialOf(candidate, state);
        var denied = held.Until(candidate.Difference.Narrows ? until : DateTimeOffset.MinValue).Where(one => trial.Denies(one.Claim.Principal, one.Claim.Request)).ToList();
        var why = denied is [var (first, _), ..] ? trial.WhyDenied(first.Principal, first.Request) : null;
        tally.SetHeld(denied.Sum(one => one.Count), $"{why} (a host holds a yes to it from {DoorName.WasmCloudPolicyService.Text}, where nobody is proven)");
    }

    // What these may ask for from one moment to the next, and could not any more.
    private string? WhyMissing(PolicyStage stage, Candidate candidate, StageTrial trial, IReadOnlyCollection<ReportedAdmission> running)
    {
        if (running.Count == 0 || !candidate.Difference.TakesAnyOf(Asked)) return null;
        var tally = stages.TallyOf(stage.Id);
        var callers = running.Select(admission => admission.PrincipalFor(trial.SignerKeys)).OfType<Principal>().Distinct().SelectMany(trial.WhomToCompare).ToDictionary();
        foreach (var (permit, compared, request) in candidate.Difference.LossesOf([.. callers.Keys], time.GetUtcNow()))
        {
            if (!Asked.Contains(permit.Capability.Kind)) continue;
            if (compared is null || request is null) return $"it takes too much work to say who would lose {permit.Capability} of rule {permit.Rule}";
            if (trial.WhyDenied(callers[compared], request) is not { } why) continue;
            if (request is CapabilityRequest.Audience || !OnlyCounts(stage)) return $"{why} (it runs)";
            tally.CountOnce($"{why} (it runs)");
        }

        return null;
    }

    private static bool OnlyCounts(PolicyStage stage) => stage.Through[(int)stage.Step] == Step.Shadow;

    private StageTrial TrialOf(Candidate candidate, ControlPlaneState state) => new(state.Policy, candidate.Policy, candidate.Difference.Narrows, time.GetUtcNow());

    // Compiled and compared once for each policy that is in force meanwhile; what a candidate takes it takes from now on.
    private Candidate CandidateOf(PolicyStage stage, ControlPlaneState state)
    {
        if (_candidates.GetValueOrDefault(stage.Id) is { } known && known.For == state.PolicyRevision) return known;
        var policy = PolicyEdit.Of(stage).ApplyTo(state);
        return _candidates[stage.Id] = new(state.PolicyRevision, policy, AuthorityDifference.Between(state.Policy, policy, time.GetUtcNow()));
    }

    private sealed record Candidate(ulong For, CapabilityPolicy Policy, AuthorityDifference Difference);
}
