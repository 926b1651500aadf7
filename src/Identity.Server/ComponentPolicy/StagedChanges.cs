using System.Collections.Concurrent;
using System.Security.Cryptography;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Identity.Ledger.V1;
using Identity.Policy;
using Identity.Server.Administration;
using Identity.Server.Endpoints;
using Identity.Server.Ledger;
using Identity.Server.Registration;
using Identity.V1;
using State = Identity.Ledger.V1.PolicyStage.Types.State;
using Step = Identity.Ledger.V1.PolicyStage.Types.Step;
using Status = Grpc.Core.Status;

namespace Identity.Server.ComponentPolicy;

/// <summary>Begins, shows and aborts staged changes; <see cref="StageRunner"/> carries them on.</summary>
internal sealed class StagedChanges(ControlPlaneLedger ledger, PolicyRegistry registry, TimeProvider time)
{
    private const int MaxSoaking = 16;
    private const int MaxSoakingOfOne = 4;
    private const string Alphabet = "abcdefghijklmnopqrstuvwxyz234567";

    private readonly ConcurrentDictionary<string, StageTally> _tallies = new(StringComparer.Ordinal);

    /// <summary>A soak counts from here at the earliest: after a restart nothing runs as far as this process knows, until the agents are back.</summary>
    public DateTimeOffset Started { get; } = time.GetUtcNow();

    /// <summary>What was looked at for a staged change since this process started.</summary>
    public StageTally TallyOf(string id) => _tallies.GetOrAdd(id, _ => new StageTally());

    /// <summary>Forgets those that the ledger does not keep any more.</summary>
    public void Keep(ControlPlaneState state)
    {
        foreach (var id in _tallies.Keys.Where(id => !state.Governance.Stages.ContainsKey(id))) _tallies.TryRemove(id, out _);
    }

    /// <summary>When the step of a soaking change ends, at the earliest.</summary>
    public DateTimeOffset EndOf(PolicyStage stage)
    {
        DateTimeOffset[] since = [stage.StepSince.ToDateTimeOffset(), Started, TallyOf(stage.Id).SoaksFrom];
        return since.Max() + TimeSpan.FromSeconds(stage.SoakSeconds);
    }

    public async Task<StagedChange> StageAsync(StageRequest request, Caller caller, CancellationToken cancellation)
    {
        var whole = PolicyEditParser.Parse(request.Documents, request.DeletePolicies, []);
        var plan = StagePlanReader.Read(whole, request.SoakSeconds, request.Through);
        var person = caller.Person ?? throw new RpcException(new Status(StatusCode.PermissionDenied, "this caller changes no policy"));
        var effects = new PolicyEffects(time);
        var (begun, state) = await registry.DecideAsync<(PolicyStage? Stage, Identity.V1.Proposal? Waits)>(
            caller.Author,
            current =>
            {
                if (request.ExpectedRevision != 0) PolicyRegistry.RefuseUnseen(request.ExpectedRevision, current);
                RefuseTooMany(current);
                if (caller is not Caller.Admin) RefuseTooManyOfOne(current, person);
                var effect = effects.In(current, () => whole.Against(current));
                if (effect.Edit.IsEmpty) throw new RpcException(new Status(StatusCode.FailedPrecondition, "this is in force already; there is nothing to stage"));
                PolicyRegistry.RefuseUnpermitted(effect, person);
                PolicyRegistry.RefuseUnfit(effect, person);
                switch (PolicyGate.Judge(effect, person))
                {
                    case PolicyGateAnswer.Free:
                        var stage = New(effect.Edit, plan, person.Text, PolicyProposals.Base(current), request.Reason, time.GetUtcNow());
                        return new((stage, null), [new Change { PolicyStageSet = stage }], $"stage: {request.Reason}");
                    case PolicyGateAnswer.NeedsApproval:
                        var asked = PolicyProposals.Draft(effect, person, request.Reason, plan);
                        return new((null, ProposalText.Of(effect, new OpenProposal(asked, []))), [new Change { PolicyProposed = asked }], $"propose to stage: {request.Reason}");
                    case PolicyGateAnswer.Refused refused:
                        throw PolicyRegistry.Refusal(refused);
                    default:
                        throw new RpcException(new Status(StatusCode.PermissionDenied, "there is no decision about this change"));
                }
            },
            cancellation);
        return begun.Stage is { } soaking ? Text(state, soaking) : Waiting(begun.Waits!);
    }

    /// <summary>A change that has all the approvals it needs.</summary>
    /// <exception cref="RpcException">Too many are staged.</exception>
    public static PolicyStage New(ControlPlaneState state, OpenProposal approved, DateTimeOffset now)
    {
        RefuseTooMany(state);
        var proposal = approved.Proposal;
        if (PolicyPerson.TryParse(proposal.Person, out var proposer, out _) && !PolicyGate.IsAdmin(proposer)) RefuseTooManyOfOne(state, proposer);
        var stage = New(PolicyEdit.Of(proposal), proposal.Stage, proposal.Person, proposal.BaseRevision, proposal.Reason, now);
        stage.Proposal = proposal.Clone();
        stage.Proposal.Set.Clear();
        stage.Proposal.Deleted.Clear();
        stage.Approvals.AddRange(approved.Approvals);
        return stage;
    }

    /// <summary>What an approved change rests on, whole; null when nobody had to approve it.</summary>
    public static OpenProposal? Approved(PolicyStage stage)
    {
        if (stage.Proposal is null) return null;
        var proposal = stage.Proposal.Clone();
        proposal.Set.AddRange(stage.Set);
        proposal.Deleted.AddRange(stage.Deleted);
        return new OpenProposal(proposal, [.. stage.Approvals]);
    }

    public Task<StagedChange> AbortAsync(AbortStageRequest request, Caller caller, CancellationToken cancellation) => registry.InTurnAsync(
        async () =>
        {
            var (stage, state) = await ledger.ChangeAsync(
                caller.Author,
                current =>
                {
                    var known = FindSoaking(current, request.Id, caller, "aborted", "abort");
                    var aborted = known.Clone();
                    aborted.State = State.Aborted;
                    aborted.Explanation = $"{caller.Author}: {request.Reason}";
                    return new Proposal<PolicyStage>(aborted, [new Change { PolicyStageSet = PolicyGovernance.WithoutDocuments(aborted) }], $"abort {known.Id}: {request.Reason}");
                },
                cancellation);
            return Text(state, stage);
        },
        cancellation);

    /// <summary>It may deny so many of those who are said to run where nobody is proven. Who may abort it may confirm it.</summary>
    public async Task<StagedChange> ConfirmAsync(ConfirmStageRequest request, Caller caller, CancellationToken cancellation)
    {
        var (stage, state) = await registry.ChangeInTurnAsync(
            caller.Author,
            current =>
            {
                var known = FindSoaking(current, request.Id, caller, "confirmed", "confirm");
                if (!known.Through.Contains(Step.Enforce))
                    throw new RpcException(new Status(StatusCode.FailedPrecondition, $"{known.Id} is tried only, and denies nobody anything; there is nothing to confirm"));
                var would = TallyOf(known.Id).Unproven.Count;
                if (would == 0)
                    throw new RpcException(new Status(StatusCode.FailedPrecondition, $"{known.Id} would deny nobody of those who are said to run where nobody is proven; there is nothing to confirm"));
                if (request.Denies < would || request.Denies == 0)
                {
                    throw new RpcException(new Status(
                        StatusCode.FailedPrecondition, $"{known.Id} would deny {would} of those who are said to run where nobody is proven; {request.Denies} would be confirmed, and it would not go on"));
                }

                if (request.Denies <= known.ConfirmedDenials)
                    throw new RpcException(new Status(StatusCode.FailedPrecondition, $"{known.ConfirmedBy} has confirmed already that {known.Id} may deny {known.ConfirmedDenials}; there is nothing more to confirm"));
                var confirmed = known.Clone();
                (confirmed.ConfirmedDenials, confirmed.ConfirmedBy) = (request.Denies, caller.Person?.Text ?? caller.Author);
                return new Proposal<PolicyStage>(
                    confirmed, [new Change { PolicyStageSet = PolicyGovernance.WithoutDocuments(confirmed) }], $"confirm that {known.Id} may deny {request.Denies} who are not proven: {request.Reason}");
            },
            cancellation);
        return Text(state, stage);
    }

    /// <summary>The newest first.</summary>
    public IEnumerable<StagedChange> List()
    {
        var state = ledger.State;
        return state.Governance.Stages.Values.OrderByDescending(stage => stage.CreatedAt).Select(stage => Text(state, stage));
    }

    public static string Word(State state) => state switch
    {
        State.Soaking => "soaking",
        State.Halted => "halted",
        State.InForce => "in force",
        State.Aborted => "aborted",
        State.Passed => "passed",
        _ => "unknown",
    };

    public StagedChange Text(ControlPlaneState state, PolicyStage stage)
    {
        var tally = TallyOf(stage.Id);
        var answer = new StagedChange
        {
            Id = stage.Id,
            Person = stage.Person,
            Reason = stage.Reason,
            State = Word(stage.State),
            Step = StagePlanReader.Word(stage.Through[(int)stage.Step]),
            StepEndsAt = EndOf(stage).ToTimestamp(),
            Explanation = stage.State != State.Soaking ? stage.Explanation
                : tally.Wait is { } wait && !(wait.IsForConfirmation && tally.Unproven.Count <= stage.ConfirmedDenials) ? wait.Why : "",
            Checked = tally.Checked,
            WouldDeny = tally.WouldDeny,
            WouldDenyExample = tally.Example,
            Restarts = tally.Restarts,
            ClaimsWouldDeny = tally.ClaimsWouldDeny,
            ClaimsExample = tally.ClaimsExample,
            ClaimsNotTried = tally.ClaimsNotTried,
            Unproven = tally.Unproven.Count,
            UnprovenExample = tally.Unproven.Why,
            Confirmed = stage.ConfirmedDenials,
            ConfirmedBy = stage.ConfirmedBy,
            CreatedAt = stage.CreatedAt,
        };
        answer.Changes.AddRange(PolicyEdit.Of(stage).Answers(state));
        // What is over is told by what was there when it was staged, not by what has come of it.
        foreach (var change in stage.State == State.Soaking ? [] : answer.Changes.Where(change => change.Kind == PolicyChange.Types.Kind.Updated))
            change.Kind = state.Governance.History.WasInForce(change.Name, stage.BaseRevision) ? PolicyChange.Types.Kind.Updated : PolicyChange.Types.Kind.Created;
        answer.Through.AddRange(stage.Through.Select(StagePlanReader.Word));
        if (Approved(stage) is { } approved) answer.Approvals.AddRange(ProposalText.ApprovalsOf(new PolicyEffect(state, PolicyEdit.Of(stage), time.GetUtcNow()), approved));
        return answer;
    }

    private static PolicyStage FindSoaking(ControlPlaneState state, string id, Caller caller, string done, string todo)
    {
        if (!state.Governance.Stages.TryGetValue(id, out var known)) throw new RpcException(new Status(StatusCode.NotFound, $"there is no staged change {Quote.From(id)}"));
        if (known.Person != caller.Person?.Text && caller is not Caller.Admin)
            throw new RpcException(new Status(StatusCode.PermissionDenied, $"{known.Id} is {done} by {known.Person} or an administrator"));
        if (known.State != State.Soaking) throw new RpcException(new Status(StatusCode.FailedPrecondition, $"{known.Id} is {Word(known.State)}; there is nothing to {todo}"));
        return known;
    }

    private static StagedChange Waiting(Identity.V1.Proposal proposal)
    {
        var answer = new StagedChange
        {
            Person = proposal.Person,
            Reason = proposal.Reason,
            State = "waits for approval",
            CreatedAt = proposal.CreatedAt,
            Proposal = proposal,
        };
        answer.Changes.AddRange(proposal.Changes);
        answer.Through.AddRange(proposal.Stage.Through);
        return answer;
    }

    private static PolicyStage New(PolicyEdit edit, PolicyStagePlan plan, string person, ulong baseRevision, string reason, DateTimeOffset now)
    {
        var stage = new PolicyStage
        {
            Id = "s-" + RandomNumberGenerator.GetString(Alphabet, 26),
            Person = person,
            BaseRevision = baseRevision,
            State = State.Soaking,
            SoakSeconds = plan.SoakSeconds,
            StepSince = now.ToTimestamp(),
            CreatedAt = now.ToTimestamp(),
            Reason = reason,
        };
        stage.Set.AddRange(edit.Set);
        stage.Deleted.AddRange(edit.Deleted);
        stage.Through.AddRange(plan.Through);
        return stage;
    }

    // Nobody whom a role lets write one policy keeps everybody else from trying anything.
    private static void RefuseTooManyOfOne(ControlPlaneState state, PolicyPerson person)
    {
        if (state.Governance.Stages.Values.Count(known => known.State == State.Soaking && known.Person == person.Text) >= MaxSoakingOfOne)
            throw new RpcException(new Status(StatusCode.ResourceExhausted, $"{person} has {MaxSoakingOfOne} changes staged already; abort one first"));
    }

    private static void RefuseTooMany(ControlPlaneState state)
    {
        if (state.Governance.Stages.Values.Count(known => known.State == State.Soaking) >= MaxSoaking)
            throw new RpcException(new Status(StatusCode.ResourceExhausted, $"{MaxSoaking} changes are staged already; abort one first"));
    }
}
