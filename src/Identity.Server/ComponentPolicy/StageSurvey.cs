using System.Collections.Frozen;
using Identity.Ledger.V1;
using Identity.Policy;
using Identity.Server.DecisionPoints;
using Identity.Server.DecisionPoints.WasmCloudV1;
using Identity.Server.DecisionPoints.WasmCloudV2;
using Identity.Server.Ledger;
using Identity.Server.NatsAuthCallout;
using Step = Identity.Ledger.V1.PolicyStage.Types.Step;

namespace Identity.Server.ComponentPolicy;

/// <summary>Tries staged changes on everything that runs, and on what has happened. Used by one reader: <see cref="StageRunner"/>.</summary>
internal sealed class StageSurvey(
    ControlPlaneLedger ledger,
    StagedChanges stages,
    LiveAdmissions admissions,
    GrantedLogins logins,
    INatsLoginBackend nats,
    IEnumerable<AllowedWorkloads> workloads,
    TimeProvider time,
    HeldAnswers? held = null)
{
    // What a component asks for while it runs, and nobody sees beforehand: lost means perhaps denied. Tokens are refused to it at once.
    private static readonly FrozenSet<string> Asked = FrozenSet.Create(StringComparer.Ordinal, "audience", "connect", "resolve", "config", "secret", "mount");

    // Of what doors let through that prove nobody, so many capabilities are tried in one look: half a second.
    private const int MaxUnprovenTried = 200_000;

    // Of all changes that are tried together, some 0.1 ms each: twenty seconds at once, then half a processor.
    private const int VerificationsAtOnce = 200_000;
    private static readonly TimeSpan EachVerification = TimeSpan.FromMicroseconds(200);

    // Strangers say something new as often as they like.
    private static readonly TimeSpan LookAgainAfter = TimeSpan.FromSeconds(5);

    // Without a policy nobody had a right on NATS, so that no session of an earlier process is left.
    private readonly bool _mayHaveSessions = ledger.State.PolicyRevision > 0;
    private readonly Dictionary<string, Candidate> _candidates = new(StringComparer.Ordinal);
    private readonly TokenBuckets<string> _verifications = new(time, VerificationsAtOnce, EachVerification, 1);
    private readonly HashSet<string> _passedOver = new(StringComparer.Ordinal);
    private bool _isRecalled;

    /// <summary>To be called first: learns who is logged in to NATS since before this process started.</summary>
    /// <exception cref="Microsoft.Data.Sqlite.SqliteException">The ledger cannot be read.</exception>
    public void Recall()
    {
        if (!_mayHaveSessions || _isRecalled) return;
        logins.Recall(ledger.ReadIssuances());
        _isRecalled = true;
    }

    /// <summary>Forgets those that are over.</summary>
    public void Keep(IReadOnlySet<string> ids)
    {
        foreach (var over in _candidates.Keys.Where(id => !ids.Contains(id)).ToList()) _candidates.Remove(over);
        _passedOver.IntersectWith(ids);
    }

    /// <summary>The agents of which nobody knows what they run now; null when there is none.</summary>
    public AwayAgents? FindAway(ControlPlaneState state, DateTimeOffset now) => AwayAgents.Find(state, admissions, stages.Started, now);

    /// <summary>What of all that runs nobody here knows of, and that the change may take something from; null when there is nothing.</summary>
    /// <param name="away">See <see cref="FindAway"/>.</param>
    public StageWait? FindWait(PolicyStage stage, ControlPlaneState state, AwayAgents? away)
    {
        var candidate = CandidateOf(stage, state);
        var agents = away is not null && (candidate.Difference.Narrows || candidate.TouchesNats) ? new StageWait($"waits for {away.Text}", away.Until) : null;
        var sessions = _mayHaveSessions && candidate.TouchesNats && logins.MayMissIdsUntil is var until && until > time.GetUtcNow()
            ? new StageWait($"waits until {until:u}, when the last NATS session is over of which nobody here knows whose it is", until)
            : null;
        return (agents, sessions) is ({ } one, { } other)
            ? new StageWait($"{one.Why}; {other.Why}", one.Until > other.Until ? one.Until : other.Until)
            : agents ?? sessions;
    }

    /// <summary>
    /// Waits until it can be said who signed what runs, as far as the change asks. To be asked for before what runs is looked at: it never goes on without knowing.
    /// </summary>
    public StageWait? FindUntried(PolicyStage stage, ControlPlaneState state)
    {
        var trial = TrialOf(CandidateOf(stage, state), state);
        return admissions.All().FirstOrDefault(admission => !trial.Knows(admission)) is { } one
            ? new StageWait($"waits until the signatures of what runs have been tried with the keys that it names, such as those of {one.SpiffeId} on {one.Host}", time.GetUtcNow() + LookAgainAfter)
            : null;
    }

    /// <summary>Whether something happened that could not be tried when it did; it runs, so that a look at what runs finds it. Said once.</summary>
    public bool TakePassedOver(PolicyStage stage) => _passedOver.Remove(stage.Id);

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
            if (trial.WhyDeniedLater(admission) is { } later && Halts(stage, tally, later)) return later;
        }

        var facts = nats.Facts;
        foreach (var id in logins.Ids())
        {
            tally.Look();
            if (trial.WhyDenied(id, facts) is { } why) return why;
            if (trial.WhyDeniedLater(id, facts) is { } later && Halts(stage, tally, later)) return later;
        }

        return WhyWorkloadDenied(stage, candidate, trial) ?? WhyMissing(stage, candidate, trial, running);
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
            if (observation is StageObservation.Told) continue;
            var begun = observation switch
            {
                StageObservation.Admission admission => admission.Begun,
                StageObservation.Token token => admissions.Find(token.Id, out _),
                _ => null,
            };
            if (begun is not null && !trial.Knows(begun))
            {
                _passedOver.Add(stage.Id);
                continue;
            }

            tally.Look();
            var why = observation switch
            {
                StageObservation.Admission admission => trial.WhyDenied(admission.Begun),
                StageObservation.Login login => trial.WhyDenied(login.Id, facts),
                StageObservation.Token token => trial.WhyDenied(token.Id, token.Audience, admissions.Find(token.Id, out _)?.PrincipalFor(trial.SignerKeys)),
                StageObservation.Workload workload => trial.WhyDenied(workload.Allowed),
                StageObservation.Question question => trial.WhyDenied(question.Principal, question.Request),
                _ => null,
            };
            if (why is not null)
            {
                if (observation is not StageObservation.Question || !OnlyCounts(stage)) return why;
                tally.CountDenial(why);
                continue;
            }

            var later = observation switch
            {
                StageObservation.Admission admission => trial.WhyDeniedLater(admission.Begun),
                StageObservation.Login login => trial.WhyDeniedLater(login.Id, facts),
                StageObservation.Workload workload => trial.WhyDeniedLater(workload.Allowed),
                _ => null,
            };
            if (later is not null && Halts(stage, tally, later)) return later;
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

    // What doors let through whose caller is proven. One of many that ask for the same stands for all of them.
    private string? WhyWorkloadDenied(PolicyStage stage, Candidate candidate, StageTrial trial)
    {
        if (!candidate.Difference.Narrows) return null;
        var tally = stages.TallyOf(stage.Id);
        foreach (var alike in workloads.Where(door => door.IsProven).SelectMany(door => door.Look().Known))
        {
            tally.Look();
            var many = alike.Count > 1 ? $" (and {alike.Count - 1} more that ask for the same)" : "";
            if (trial.WhyDenied(alike.First) is { } why) return why + many;
            if (trial.WhyDeniedLater(alike.First) is { } later && Halts(stage, tally, later)) return later + many;
        }

        return null;
    }

    /// <summary>
    /// What must be confirmed before the change is put into force; null when nothing must. Whoever reaches a door that proves nobody can say that something
    /// runs: that halts no change, and holds it up no longer than until somebody has looked at it.
    /// </summary>
    /// <param name="anew">Not as they were looked at a moment ago.</param>
    public StageWait? FindUnconfirmed(PolicyStage stage, ControlPlaneState state, bool anew)
    {
        var found = LookAtUnproven(stage, state, anew);
        if (found.Count <= stage.ConfirmedDenials) return null;
        var confirmed = stage.ConfirmedDenials > 0 ? $" ({stage.ConfirmedDenials} are confirmed)" : "";
        return new StageWait($"waits for `identity policy stage confirm {stage.Id} --denies {found.Count}`{confirmed}: {found.Why}", time.GetUtcNow() + LookAgainAfter) { IsForConfirmation = true };
    }

    /// <summary>The same for whoever looks at the change.</summary>
    public UnprovenDenials LookAtUnproven(PolicyStage stage, ControlPlaneState state, bool anew)
    {
        var candidate = CandidateOf(stage, state);
        var now = time.GetUtcNow();
        if (!anew && candidate.LookedAt is { } at && now >= at && now - at < LookAgainAfter) return candidate.Unproven;
        (candidate.Unproven, candidate.LookedAt) = (candidate.Difference.Narrows ? UnprovenOf(TrialOf(candidate, state)) : UnprovenDenials.None, now);
        return stages.TallyOf(stage.Id).Unproven = candidate.Unproven;
    }

    private UnprovenDenials UnprovenOf(StageTrial trial)
    {
        var (denied, unknown, tried) = (0L, 0L, 0L);
        var (example, unknownExample) = ("", "");
        foreach (var door in workloads)
        {
            var seen = door.Look();
            (unknown, unknownExample) = (unknown + seen.Unknown, unknownExample.Length > 0 ? unknownExample : seen.UnknownExample);
            foreach (var alike in door.IsProven ? [] : seen.Known)
            {
                // What strangers have us try ends somewhere; what is left is not known.
                tried += alike.Asks.Questions.Sum(question => question.Requests.Count);
                if (tried > MaxUnprovenTried)
                {
                    (unknown, unknownExample) = (unknown + alike.Count, alike.First.Text);
                    continue;
                }

                if ((trial.WhyDenied(alike.First) ?? trial.WhyDeniedLater(alike.First)) is not { } why) continue;
                (denied, example) = (denied + alike.Count, example.Length > 0 ? example : $"{why} (let through at {door.Door.Text})");
            }
        }

        foreach (var (claim, count) in held?.Until(DateTimeOffset.MaxValue) ?? [])
        {
            if (++tried > MaxUnprovenTried)
            {
                (unknown, unknownExample) = (unknown + count, $"{claim.Principal.Id}, to which a host holds a yes from {claim.Door}");
                continue;
            }

            if (!trial.Denies(claim.Principal, claim.Request)) continue;
            (denied, example) = (denied + count, example.Length > 0 ? example : $"{trial.WhyDenied(claim.Principal, claim.Request)} (a host holds a yes to it from {claim.Door})");
        }

        List<string> reasons = [];
        if (denied > 0) reasons.Add($"{denied} that doors let through which prove nobody would be denied, such as: {example}");
        if (unknown > 0) reasons.Add($"nobody here knows what {unknown} that may run asked for, such as {unknownExample}");
        return new UnprovenDenials((ulong)(denied + unknown), string.Join("; ", reasons));
    }

    // What these may ask for from one moment to the next, and could not any more.
    private string? WhyMissing(PolicyStage stage, Candidate candidate, StageTrial trial, IReadOnlyCollection<ReportedAdmission> running)
    {
        if (running.Count == 0 || !candidate.Difference.TakesAnyOf(Asked)) return null;
        var tally = stages.TallyOf(stage.Id);
        var callers = running.Select(admission => admission.PrincipalFor(trial.SignerKeys)).OfType<Principal>().Distinct().SelectMany(trial.WhomToCompare).ToDictionary();
        foreach (var (permit, compared, request, at) in candidate.Difference.LossesOf([.. callers.Keys]))
        {
            if (!Asked.Contains(permit.Capability.Kind)) continue;
            if (compared is null || request is null) return $"it takes too much work to say who would lose {permit.Capability} of rule {permit.Rule}";
            var isLater = at > trial.Now;
            if ((isLater ? trial.At(at) : trial).WhyDenied(callers[compared], request) is not { } why) continue;
            var loss = isLater ? $"{why} from {at:u} on (it runs)" : $"{why} (it runs)";
            if ((request is CapabilityRequest.Audience && !isLater) || Halts(stage, tally, loss)) return loss;
        }

        return null;
    }

    // What only counts is counted here.
    private static bool Halts(PolicyStage stage, StageTally tally, string loss)
    {
        if (!OnlyCounts(stage)) return true;
        tally.CountOnce(loss);
        return false;
    }

    private static bool OnlyCounts(PolicyStage stage) => stage.Through[(int)stage.Step] == Step.Shadow;

    private StageTrial TrialOf(Candidate candidate, ControlPlaneState state) => new(state.Policy, candidate.Policy, candidate.Difference.Narrows, candidate.TouchesNats, time.GetUtcNow(), count => _verifications.TryTake("", count));

    // Compiled and compared once for each policy that is in force meanwhile; what a candidate takes it takes from now on.
    private Candidate CandidateOf(PolicyStage stage, ControlPlaneState state)
    {
        if (_candidates.GetValueOrDefault(stage.Id) is { } known && known.For == state.PolicyRevision) return known;
        var policy = PolicyEdit.Of(stage).ApplyTo(state);
        return _candidates[stage.Id] = new(
            state.PolicyRevision, policy, AuthorityDifference.Between(state.Policy, policy, time.GetUtcNow()), NatsPermissions.MayDiffer(state.Policy, policy));
    }

    /// <param name="TouchesNats">Whether anybody may be told otherwise on NATS; that follows from rules together, and is no matter of single ones that are lost.</param>
    private sealed record Candidate(ulong For, CapabilityPolicy Policy, AuthorityDifference Difference, bool TouchesNats)
    {
        public UnprovenDenials Unproven { get; set; } = UnprovenDenials.None;

        /// <summary>When these were looked at; null while they were not.</summary>
        public DateTimeOffset? LookedAt { get; set; }
    }
}
