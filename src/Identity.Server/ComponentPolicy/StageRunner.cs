using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Identity.Ledger.V1;
using Identity.Policy;
using Identity.Server.Administration;
using Identity.Server.Ledger;
using State = Identity.Ledger.V1.PolicyStage.Types.State;
using Step = Identity.Ledger.V1.PolicyStage.Types.Step;

namespace Identity.Server.ComponentPolicy;

/// <summary>
/// Carries staged changes on: tries each on everything that runs when it begins and whenever policy changes, on everything new while it soaks, and
/// ends each step with the next, with putting it into force, or with a halt. Every step is a ledger record.
/// </summary>
internal sealed partial class StageRunner(
    ControlPlaneLedger ledger,
    PolicyRegistry registry,
    StagedChanges stages,
    StageObservations observations,
    StageSurvey survey,
    TimeProvider time,
    ILogger<StageRunner> logger) : BackgroundService
{
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(1);

    // How often a change that others overtook is compared anew before its turn.
    private const int MaxAhead = 2;

    private readonly Dictionary<string, (ulong Base, uint Step)> _triedAt = new(StringComparer.Ordinal);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await RunAsync(stoppingToken);
                return;
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                // A fault of the ledger or of a bug: the change stays where it is, which is not in force.
                LogFault(e);
                observations.Lost();
                await Task.Delay(RetryAfter, time, CancellationToken.None).WaitAsync(stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private async Task RunAsync(CancellationToken cancellation)
    {
        survey.Recall();
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        await using var states = ledger.WatchAsync(over.Token).GetAsyncEnumerator(over.Token);
        var next = states.MoveNextAsync().AsTask();
        try
        {
            while (true)
            {
                if (next.IsCompleted)
                {
                    if (!await next) return;
                    next = states.MoveNextAsync().AsTask();
                }

                var soaking = Soaking(ledger.State);
                observations.IsOpen = soaking.Count > 0;
                stages.Keep(ledger.State);
                Forget([.. soaking.Select(stage => stage.Id)]);

                // 1. What has happened up to this moment. Whoever's soak ends at it has been tried on all of it.
                var moment = time.GetUtcNow();
                // Looked at first: what an agent told that is back by now has happened then.
                var away = soaking.Any(stage => stages.EndOf(stage) <= moment) ? survey.FindAway(ledger.State, moment) : null;
                var happened = Happened();
                if (observations.TakeOverflow()) SoakAnew(soaking);
                if (happened.Count > 0) await TryAsync(soaking, happened, cancellation);
                CountClaims(soaking);

                // 2. Everything that runs, and the step's end.
                foreach (var stage in Soaking(ledger.State)) await TryCarryOnAsync(stage, moment, away, cancellation);
                await WaitAsync(next, cancellation);
            }
        }
        finally
        {
            // After a fault nobody waits for the next change any more.
            await over.CancelAsync();
            await ((Task)next).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private static List<PolicyStage> Soaking(ControlPlaneState state) => [.. state.Governance.Stages.Values.Where(stage => stage.State == State.Soaking)];

    private void Forget(HashSet<string> soaking)
    {
        survey.Keep(soaking);
        foreach (var over in _triedAt.Keys.Where(id => !soaking.Contains(id)).ToList()) _triedAt.Remove(over);
    }

    private List<StageObservation> Happened()
    {
        var happened = new List<StageObservation>();
        for (var waiting = observations.Reader.Count; waiting > 0 && observations.Reader.TryRead(out var observation); waiting--) happened.Add(observation);
        return happened;
    }

    // After all that is proven, and so that no fault of it reaches the soak.
    private void CountClaims(List<PolicyStage> soaking)
    {
        var claims = new List<StageClaim>();
        for (var waiting = observations.Claims.Count; waiting > 0 && observations.Claims.TryRead(out var claim); waiting--) claims.Add(claim);
        var notTried = observations.TakeClaimsNotTried();
        foreach (var stage in soaking)
        {
            if (notTried > 0) stages.TallyOf(stage.Id).CountClaimsNotTried(notTried);
            if (claims.Count == 0) continue;
            try
            {
                survey.Count(stage, ledger.State, claims);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                LogClaimFault(e);
                stages.TallyOf(stage.Id).CountClaimsNotTried(claims.Count);
            }
        }
    }

    private void CountHeld(PolicyStage stage, ControlPlaneState state)
    {
        try
        {
            survey.CountHeld(stage, state);
            survey.LookAtUnproven(stage, state, anew: true);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            LogClaimFault(e);
        }
    }

    // Nobody can say what was lost, so that nothing that was seen until now counts: what runs is tried again, and the soak begins anew.
    private void SoakAnew(List<PolicyStage> soaking)
    {
        _triedAt.Clear();
        foreach (var stage in soaking)
        {
            var tally = stages.TallyOf(stage.Id);
            tally.Restart(time.GetUtcNow());
            LogRestart(stage.Id, tally.Restarts);
        }
    }

    private async Task TryAsync(List<PolicyStage> soaking, List<StageObservation> happened, CancellationToken cancellation)
    {
        foreach (var stage in soaking)
        {
            if (survey.WhyDenied(stage, ledger.State, happened) is { } why) await EndAsync(stage.Id, State.Halted, why, cancellation);
        }
    }

    // What is the matter with one is not the others' loss: they go on.
    private async Task TryCarryOnAsync(PolicyStage stage, DateTimeOffset moment, AwayAgents? away, CancellationToken cancellation)
    {
        try
        {
            await CarryOnAsync(stage, moment, away, cancellation);
        }
        catch (RpcException e) when (e.StatusCode == StatusCode.ResourceExhausted)
        {
            // It will be no smaller the next time.
            await EndAsync(stage.Id, State.Halted, $"it cannot be written: {e.Status.Detail}", cancellation);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            LogStageFault(e, stage.Id);
            _triedAt.Remove(stage.Id);
            stages.TallyOf(stage.Id).Wait = new StageWait("it could not be carried on, for a fault that the server's log tells; it is tried again", time.GetUtcNow() + RetryAfter);
        }
    }

    private async Task CarryOnAsync(PolicyStage stage, DateTimeOffset moment, AwayAgents? away, CancellationToken cancellation)
    {
        var state = ledger.State;
        var tally = stages.TallyOf(stage.Id);

        // 1. Once for each policy, each set of roles and each step: may it still be made, and what would it do to everything that runs?
        var at = (PolicyProposals.Base(state), stage.Step);
        if (survey.TakePassedOver(stage)) _triedAt.Remove(stage.Id);
        if (!_triedAt.TryGetValue(stage.Id, out var tried) || tried != at)
        {
            if (survey.FindUntried(stage, state) is { } untried)
            {
                tally.Wait = untried;
                return;
            }

            if ((WhyNotAnyMore(stage, state, new PolicyEffects(time)) ?? survey.WhyDenied(stage, state)) is { } why)
            {
                await EndAsync(stage.Id, State.Halted, why, cancellation);
                return;
            }

            CountHeld(stage, state);
            _triedAt[stage.Id] = at;
        }

        // 2. The step's end.
        if (stages.EndOf(stage) > moment)
        {
            tally.Wait = null;
            return;
        }

        tally.Wait = survey.FindWait(stage, state, away) ?? survey.FindUntried(stage, state);
        if (tally.Wait is not null) return;
        var isLast = stage.Step + 1 >= stage.Through.Count;
        if (!isLast && stage.Through[(int)stage.Step + 1] != Step.Enforce) await StepAsync(stage.Id, cancellation);
        else if (isLast && stage.Through[(int)stage.Step] != Step.Enforce) await EndAsync(stage.Id, State.Passed, "", cancellation);
        else
        {
            tally.Wait = survey.FindUnconfirmed(stage, state, anew: false);
            if (tally.Wait is null) await PutIntoForceAsync(stage.Id, cancellation);
        }
    }

    /// <summary>What was tried must be what is put into force, by somebody who may, and beside what others put into force meanwhile.</summary>
    private static string? WhyNotAnyMore(PolicyStage stage, ControlPlaneState state, PolicyEffects effects)
    {
        if (StagedChanges.Approved(stage) is { } approved) return WhyNotAnyMore(approved, state, effects);
        var edit = PolicyEdit.Of(stage);
        if (edit.Names.FirstOrDefault(name => state.Governance.History.LastChangeOf(name) > stage.BaseRevision) is { } changed)
            return $"the policy '{changed}' was changed meanwhile; stage the change anew";
        if (!PolicyPerson.TryParse(stage.Person, out var person, out _)) return "nobody knows who staged it";
        var effect = effects.In(state, () => edit);
        return PolicyGate.Judge(effect, person) switch
        {
            PolicyGateAnswer.Free => PolicyRegistry.WhyUnfit(effect, person),
            PolicyGateAnswer.Refused refused => refused.Reason,
            _ => "others must approve it by now; stage the change anew",
        };
    }

    private static string? WhyNotAnyMore(OpenProposal approved, ControlPlaneState state, PolicyEffects effects)
    {
        var effect = effects.In(state, () => PolicyEdit.Of(approved.Proposal));
        if (ProposalText.WhyStale(effect, approved) is { } stale) return stale;
        var needed = ProposalText.Needed(effect, approved);
        var counted = approved.Approvals.Count(given => ProposalText.WhyVoid(effect, approved, given) is null);
        if (counted < needed) return $"of its approvals {counted} count by now, and {needed} are needed; stage the change anew";
        return PolicyPerson.TryParse(approved.Proposal.Person, out var author, out _) ? PolicyRegistry.WhyUnfit(effect, author) : "nobody knows who staged it";
    }

    private Task<PolicyStage?> StepAsync(string id, CancellationToken cancellation) => ChangeAsync(
        id,
        (stage, _) =>
        {
            stage.Step++;
            stage.StepSince = time.GetUtcNow().ToTimestamp();
            return ([], $"staged change {id} goes on to {stage.Through[(int)stage.Step]}");
        },
        cancellation);

    private Task<PolicyStage?> EndAsync(string id, State end, string explanation, CancellationToken cancellation) => ChangeAsync(
        id,
        (stage, _) =>
        {
            stage.State = end;
            stage.Explanation = explanation;
            return ([], $"staged change {id}: {StagedChanges.Word(end)}");
        },
        cancellation);

    private async Task PutIntoForceAsync(string id, CancellationToken cancellation)
    {
        // Compared before its turn, so that it holds up nobody; within only where other changes of policy overtake it again and again.
        var effects = new PolicyEffects(time);
        for (var ahead = MaxAhead; ; ahead--)
        {
            var seen = ledger.State;
            if (ahead > 0 && seen.Governance.Stages.TryGetValue(id, out var stage) && stage.State == State.Soaking) _ = Why(stage, seen);
            if (await TryPutIntoForceAsync(id, ahead > 0 ? PolicyProposals.Base(seen) : null, Why, cancellation)) return;
        }

        string? Why(PolicyStage stage, ControlPlaneState state) => WhyNotAnyMore(stage, state, effects) ?? survey.WhyDenied(stage, state);
    }

    /// <param name="only">Only while policy and roles are of this revision; null for whatever they are.</param>
    /// <returns>False when they are of another.</returns>
    private async Task<bool> TryPutIntoForceAsync(string id, ulong? only, Func<PolicyStage, ControlPlaneState, string?> find, CancellationToken cancellation)
    {
        // Tried once more at the very revision it is appended to: nothing may come between the last look and the change. What came meanwhile and is no
        // policy or role does not make it be looked at again, or a busy ledger would keep it out for ever.
        (ulong Base, string? Why)? looked = null;
        var isOvertaken = false;
        var isFirst = true;
        await ChangeAsync(
            id,
            (stage, state) =>
            {
                var at = PolicyProposals.Base(state);
                isOvertaken = only is not null && only != at;
                if (isOvertaken) return null;
                if (looked?.Base != at) looked = (at, find(stage, state));
                var why = looked.Value.Why;
                if (why is null && survey.FindUnconfirmed(stage, state, isFirst) is { } wait)
                {
                    stages.TallyOf(id).Wait = wait;
                    return null;
                }

                isFirst = false;
                stage.State = why is null ? State.InForce : State.Halted;
                stage.Step = (uint)stage.Through.Count - 1;
                stage.Explanation = why ?? "";
                return (why is null ? PolicyEdit.Of(stage).Changes(stage.Person) : [], $"staged change {id}: {StagedChanges.Word(stage.State)}: {stage.Reason}");
            },
            cancellation);
        return !isOvertaken;
    }

    /// <param name="change">Changes the stage it is given, and says what else changes with it and why; null: nothing changes.</param>
    private Task<PolicyStage?> ChangeAsync(string id, Func<PolicyStage, ControlPlaneState, (IEnumerable<Change> Also, string Reason)?> change, CancellationToken cancellation) => registry.InTurnAsync(
        async () =>
        {
            var (ended, _) = await ledger.ChangeAsync<PolicyStage?>(
                "server",
                state =>
                {
                    // Aborted meanwhile: what is over stays over.
                    if (!state.Governance.Stages.TryGetValue(id, out var known) || known.State != State.Soaking) return new(null, [], "");
                    var stage = known.Clone();
                    if (change(stage, state) is not var (also, reason)) return new(null, [], "");
                    return new(stage, [.. also, new Change { PolicyStageSet = PolicyGovernance.WithoutDocuments(stage) }], reason);
                },
                cancellation);
            if (ended is not null && ended.State != State.Soaking) LogEnd(id, ended.State, ended.Explanation);
            return ended;
        },
        cancellation);

    private DateTimeOffset NextLook(PolicyStage stage) =>
        stages.TallyOf(stage.Id).Wait is { } wait && (wait.Until > stages.EndOf(stage) || !_triedAt.ContainsKey(stage.Id)) ? wait.Until : stages.EndOf(stage);

    private async Task WaitAsync(Task next, CancellationToken cancellation)
    {
        using var waiting = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var soaking = Soaking(ledger.State);
        var observed = observations.Reader.WaitToReadAsync(waiting.Token).AsTask();
        var claimed = observations.Claims.WaitToReadAsync(waiting.Token).AsTask();
        var first = soaking.Count == 0 ? Timeout.InfiniteTimeSpan : soaking.Min(NextLook) - time.GetUtcNow();
        if (soaking.Count > 0 && first <= TimeSpan.Zero) first = TimeSpan.FromMilliseconds(1);
        // No timer runs for longer than this many milliseconds; a soak of days is waited for in pieces.
        if (first > TimeSpan.FromHours(1)) first = TimeSpan.FromHours(1);
        await Task.WhenAny(next, observed, claimed, Task.Delay(first, time, waiting.Token));
        await waiting.CancelAsync();
        await ((Task)Task.WhenAll(observed, claimed)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        cancellation.ThrowIfCancellationRequested();
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Staged change {Id} is {End}. {Explanation}")]
    private partial void LogEnd(string id, State end, string explanation);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Staged change {Id} soaks anew, for the {Times}. time: more happened than could be tried on it.")]
    private partial void LogRestart(string id, ulong times);

    [LoggerMessage(Level = LogLevel.Error, Message = "What strangers ask could not be tried on a staged change.")]
    private partial void LogClaimFault(Exception e);

    [LoggerMessage(Level = LogLevel.Error, Message = "Staged change {Id} cannot be carried on; trying again.")]
    private partial void LogStageFault(Exception e, string id);

    [LoggerMessage(Level = LogLevel.Error, Message = "Staged changes cannot be carried on; trying again.")]
    private partial void LogFault(Exception e);
}
