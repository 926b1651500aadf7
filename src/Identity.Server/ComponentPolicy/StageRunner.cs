using Google.Protobuf.WellKnownTypes;
using Identity.Ledger.V1;
using Identity.Policy;
using Identity.Server.Administration;
using Identity.Server.Ledger;
using Identity.Server.NatsAuthCallout;
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
    LiveAdmissions admissions,
    GrantedLogins logins,
    INatsLoginBackend nats,
    TimeProvider time,
    ILogger<StageRunner> logger) : BackgroundService
{
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(1);

    // A soak counts from here at the earliest: after a restart nothing runs as far as this process knows, until the agents are back.
    private readonly DateTimeOffset _started = time.GetUtcNow();
    private readonly Dictionary<string, ulong> _triedAt = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Candidate> _candidates = new(StringComparer.Ordinal);

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
                await Task.Delay(RetryAfter, time, CancellationToken.None).WaitAsync(stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private async Task RunAsync(CancellationToken cancellation)
    {
        await using var states = ledger.WatchAsync(cancellation).GetAsyncEnumerator(cancellation);
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
                foreach (var over in _candidates.Keys.Except(soaking.Select(stage => stage.Id)).ToList())
                {
                    _candidates.Remove(over);
                    _triedAt.Remove(over);
                }

                if (observations.TakeOverflow()) _triedAt.Clear();
                await TryNewAsync(soaking, cancellation);
                foreach (var stage in Soaking(ledger.State)) await CarryOnAsync(stage, cancellation);
                await WaitAsync(next, cancellation);
            }
        }
        finally
        {
            await ((Task)next).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private static List<PolicyStage> Soaking(ControlPlaneState state) => [.. state.Governance.Stages.Values.Where(stage => stage.State == State.Soaking)];

    /// <summary>What has happened since the last look, tried on every change that soaks.</summary>
    private async Task TryNewAsync(List<PolicyStage> soaking, CancellationToken cancellation)
    {
        var batch = new List<StageObservation>();
        while (batch.Count < 4096 && observations.Reader.TryRead(out var observation)) batch.Add(observation);
        if (batch.Count == 0) return;
        foreach (var stage in soaking)
        {
            var trial = TrialOf(stage, ledger.State);
            foreach (var observation in batch)
            {
                Interlocked.Increment(ref stages.TallyOf(stage.Id).Checked);
                var why = observation switch
                {
                    StageObservation.Admission admission => trial.WhyDenied(admission.Begun),
                    StageObservation.Login login => trial.WhyDenied(login.Id, nats.Facts),
                    StageObservation.Question question => trial.WhyDenied(question.Principal, question.Request),
                    _ => null,
                };
                if (why is null) continue;
                if (observation is StageObservation.Question && stage.Through[(int)stage.Step] == Step.Shadow)
                {
                    Interlocked.Increment(ref stages.TallyOf(stage.Id).WouldDeny);
                    continue;
                }

                await EndAsync(stage.Id, State.Halted, why, cancellation);
                break;
            }
        }
    }

    private async Task CarryOnAsync(PolicyStage stage, CancellationToken cancellation)
    {
        var state = ledger.State;
        if (WhyNotAnyMore(stage, state) is { } outdated)
        {
            await EndAsync(stage.Id, State.Halted, outdated, cancellation);
            return;
        }

        // 1. Everything that runs, once for each policy that is in force meanwhile.
        if (_triedAt.GetValueOrDefault(stage.Id, ulong.MaxValue) != state.PolicyRevision)
        {
            if (WhyDenied(stage, state) is { } why)
            {
                await EndAsync(stage.Id, State.Halted, why, cancellation);
                return;
            }

            _triedAt[stage.Id] = state.PolicyRevision;
        }

        // 2. The step's end.
        if (EndOf(stage) > time.GetUtcNow()) return;
        var isLast = stage.Step + 1 >= stage.Through.Count;
        if (!isLast && stage.Through[(int)stage.Step + 1] != Step.Enforce) await StepAsync(stage.Id, cancellation);
        else if (isLast && stage.Through[(int)stage.Step] != Step.Enforce) await EndAsync(stage.Id, State.Passed, "", cancellation);
        else await PutIntoForceAsync(stage.Id, cancellation);
    }

    private string? WhyDenied(PolicyStage stage, ControlPlaneState state)
    {
        var trial = TrialOf(stage, state);
        var tally = stages.TallyOf(stage.Id);
        foreach (var admission in admissions.All())
        {
            Interlocked.Increment(ref tally.Checked);
            if (trial.WhyDenied(admission) is { } why) return why;
        }

        var facts = nats.Facts;
        foreach (var id in logins.Ids())
        {
            Interlocked.Increment(ref tally.Checked);
            if (trial.WhyDenied(id, facts) is { } why) return why;
        }

        return null;
    }

    private StageTrial TrialOf(PolicyStage stage, ControlPlaneState state)
    {
        // Compiled and compared once for each policy that is in force meanwhile; what a candidate takes it takes from now on.
        if (_candidates.GetValueOrDefault(stage.Id) is not { } candidate || candidate.For != state.PolicyRevision)
        {
            var policy = EditOf(stage).ApplyTo(state);
            candidate = new(state.PolicyRevision, policy, AuthorityDifference.Between(state.Policy, policy, time.GetUtcNow()).Narrows);
            _candidates[stage.Id] = candidate;
        }

        return new StageTrial(state.Policy, candidate.Policy, candidate.Narrows, time.GetUtcNow());
    }

    private static PolicyEdit EditOf(PolicyStage stage) => new(stage.Set, stage.Deleted, [], []);

    /// <summary>What was tried must be what is put into force, and by somebody who may.</summary>
    private string? WhyNotAnyMore(PolicyStage stage, ControlPlaneState state)
    {
        var edit = EditOf(stage);
        if (edit.Names.FirstOrDefault(name => state.Governance.History.LastChangeOf(name) > stage.BaseRevision) is { } changed)
            return $"the policy '{changed}' was changed meanwhile; stage the change anew";
        if (!PolicyPerson.TryParse(stage.Person, out var person, out _)) return "nobody knows who staged it";
        return PolicyGate.Judge(state, edit, person, time.GetUtcNow()) switch
        {
            PolicyGateAnswer.Free => null,
            PolicyGateAnswer.Refused refused => refused.Reason,
            _ => "others must approve it by now; propose it instead",
        };
    }

    private DateTimeOffset EndOf(PolicyStage stage)
    {
        var since = stage.StepSince.ToDateTimeOffset();
        return (since > _started ? since : _started) + TimeSpan.FromSeconds(stage.SoakSeconds);
    }

    private Task<bool> StepAsync(string id, CancellationToken cancellation) => ChangeAsync(
        id,
        (stage, _) =>
        {
            stage.Step++;
            stage.StepSince = time.GetUtcNow().ToTimestamp();
            return ([new Change { PolicyStageSet = stage }], $"staged change {id} goes on to {stage.Through[(int)stage.Step]}");
        },
        cancellation);

    private Task<bool> EndAsync(string id, State end, string explanation, CancellationToken cancellation) => ChangeAsync(
        id,
        (stage, _) =>
        {
            stage.State = end;
            stage.Explanation = explanation;
            LogEnd(id, end, explanation);
            return ([new Change { PolicyStageSet = stage }], $"staged change {id}: {StagedChanges.Word(end)}");
        },
        cancellation);

    private Task<bool> PutIntoForceAsync(string id, CancellationToken cancellation) => ChangeAsync(
        id,
        (stage, state) =>
        {
            // Once more at the very revision it is appended to: nothing may come between the last look and the change.
            var why = WhyNotAnyMore(stage, state) ?? WhyDenied(stage, state);
            stage.State = why is null ? State.InForce : State.Halted;
            stage.Step = (uint)stage.Through.Count - 1;
            stage.Explanation = why ?? "";
            LogEnd(id, stage.State, stage.Explanation);
            return (
                why is null ? [.. EditOf(stage).Changes(stage.Person), new Change { PolicyStageSet = stage }] : [new Change { PolicyStageSet = stage }],
                $"staged change {id}: {StagedChanges.Word(stage.State)}: {stage.Reason}");
        },
        cancellation);

    private Task<bool> ChangeAsync(
        string id, Func<PolicyStage, ControlPlaneState, (IReadOnlyList<Change> Changes, string Reason)> change, CancellationToken cancellation) => registry.InTurnAsync(
        async () =>
        {
            await ledger.ChangeAsync(
                "server",
                state =>
                {
                    // Aborted meanwhile: what is over stays over.
                    if (!state.Governance.Stages.TryGetValue(id, out var known) || known.State != State.Soaking) return new Proposal<bool>(false, [], "");
                    var (changes, reason) = change(known.Clone(), state);
                    return new Proposal<bool>(true, changes, reason);
                },
                cancellation);
            return true;
        },
        cancellation);

    private async Task WaitAsync(Task next, CancellationToken cancellation)
    {
        using var waiting = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var soaking = Soaking(ledger.State);
        var observed = observations.Reader.WaitToReadAsync(waiting.Token).AsTask();
        var first = soaking.Count == 0 ? Timeout.InfiniteTimeSpan : soaking.Min(EndOf) - time.GetUtcNow();
        if (soaking.Count > 0 && first <= TimeSpan.Zero) first = TimeSpan.FromMilliseconds(1);
        // No timer runs for longer than this many milliseconds; a soak of days is waited for in pieces.
        if (first > TimeSpan.FromHours(1)) first = TimeSpan.FromHours(1);
        await Task.WhenAny(next, observed, Task.Delay(first, time, waiting.Token));
        await waiting.CancelAsync();
        await ((Task)observed).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        cancellation.ThrowIfCancellationRequested();
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Staged change {Id} is {End}. {Explanation}")]
    private partial void LogEnd(string id, State end, string explanation);

    [LoggerMessage(Level = LogLevel.Error, Message = "Staged changes cannot be carried on; trying again.")]
    private partial void LogFault(Exception e);

    private sealed record Candidate(ulong For, CapabilityPolicy Policy, bool Narrows);
}
