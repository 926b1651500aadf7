using System.Collections.Concurrent;
using System.Security.Cryptography;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Identity.Ledger.V1;
using Identity.Server.Administration;
using Identity.Server.Endpoints;
using Identity.Server.Ledger;
using Identity.Server.Registration;
using Identity.V1;
using State = Identity.Ledger.V1.PolicyStage.Types.State;
using Status = Grpc.Core.Status;
using Step = Identity.Ledger.V1.PolicyStage.Types.Step;

namespace Identity.Server.ComponentPolicy;

/// <summary>Begins, shows and aborts staged changes; <see cref="StageRunner"/> carries them on.</summary>
internal sealed class StagedChanges(ControlPlaneLedger ledger, PolicyRegistry registry, TimeProvider time)
{
    private const int MaxSoaking = 16;
    private const uint MaxSoakSeconds = 30 * 86400;
    private const string Alphabet = "abcdefghijklmnopqrstuvwxyz234567";

    // A soak counts from here at the earliest: after a restart nothing runs as far as this process knows, until the agents are back.
    private readonly DateTimeOffset _started = time.GetUtcNow();
    private readonly ConcurrentDictionary<string, StageTally> _tallies = new(StringComparer.Ordinal);

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
        DateTimeOffset[] since = [stage.StepSince.ToDateTimeOffset(), _started, TallyOf(stage.Id).SoaksFrom];
        return since.Max() + TimeSpan.FromSeconds(stage.SoakSeconds);
    }

    public async Task<StagedChange> StageAsync(StageRequest request, Caller caller, CancellationToken cancellation)
    {
        var whole = PolicyEditParser.Parse(request.Documents, request.DeletePolicies, []);
        if (whole.TouchesRoles) throw Invalid("roles are not staged: who may change policy has no effect on what runs");
        if (request.SoakSeconds is 0 or > MaxSoakSeconds) throw Invalid($"soak_seconds is {request.SoakSeconds}; expected 1 to {MaxSoakSeconds}");
        var through = ReadSteps(request.Through);
        var person = caller.Person ?? throw new RpcException(new Status(StatusCode.PermissionDenied, "this caller changes no policy"));
        return await registry.InTurnAsync(
            async () =>
            {
                var (stage, state) = await ledger.ChangeAsync(
                    caller.Author,
                    current =>
                    {
                        var now = time.GetUtcNow();
                        if (request.ExpectedRevision != 0) PolicyRegistry.RefuseUnseen(request.ExpectedRevision, current);
                        if (current.Governance.Stages.Values.Count(known => known.State == State.Soaking) >= MaxSoaking)
                            throw new RpcException(new Status(StatusCode.ResourceExhausted, $"{MaxSoaking} changes are staged already; abort one first"));
                        var edit = whole.Against(current);
                        if (edit.IsEmpty) throw new RpcException(new Status(StatusCode.FailedPrecondition, "this is in force already; there is nothing to stage"));
                        PolicyRegistry.RefuseTooMuch(edit, current);
                        switch (PolicyGate.Judge(current, edit, person, now))
                        {
                            case PolicyGateAnswer.Refused refused:
                                throw PolicyRegistry.Refusal(refused);
                            case PolicyGateAnswer.NeedsApproval needs:
                                throw new RpcException(new Status(
                                    StatusCode.FailedPrecondition, $"this widens what somebody may do, and {needs.Approvals} other(s) must approve it: propose it instead"));
                        }

                        var stage = new PolicyStage
                        {
                            Id = "s-" + RandomNumberGenerator.GetString(Alphabet, 26),
                            Person = person.Text,
                            BaseRevision = PolicyProposals.Base(current),
                            State = State.Soaking,
                            SoakSeconds = request.SoakSeconds,
                            StepSince = now.ToTimestamp(),
                            CreatedAt = now.ToTimestamp(),
                            Reason = request.Reason,
                        };
                        stage.Set.AddRange(edit.Set);
                        stage.Deleted.AddRange(edit.Deleted);
                        stage.Through.AddRange(through);
                        return new Proposal<PolicyStage>(stage, [new Change { PolicyStageSet = stage }], $"stage: {request.Reason}");
                    },
                    cancellation);
                return Text(state, stage);
            },
            cancellation);
    }

    public Task<StagedChange> AbortAsync(AbortStageRequest request, Caller caller, CancellationToken cancellation) => registry.InTurnAsync(
        async () =>
        {
            var (stage, state) = await ledger.ChangeAsync(
                caller.Author,
                current =>
                {
                    if (!current.Governance.Stages.TryGetValue(request.Id, out var known))
                        throw new RpcException(new Status(StatusCode.NotFound, $"there is no staged change {Quote.From(request.Id)}"));
                    if (known.Person != caller.Person?.Text && caller is not Caller.Admin)
                        throw new RpcException(new Status(StatusCode.PermissionDenied, $"{known.Id} is aborted by {known.Person} or an administrator"));
                    if (known.State != State.Soaking)
                        throw new RpcException(new Status(StatusCode.FailedPrecondition, $"{known.Id} is {Word(known.State)}; there is nothing to abort"));
                    var aborted = known.Clone();
                    aborted.State = State.Aborted;
                    aborted.Explanation = $"{caller.Author}: {request.Reason}";
                    return new Proposal<PolicyStage>(aborted, [new Change { PolicyStageSet = aborted }], $"abort {known.Id}: {request.Reason}");
                },
                cancellation);
            return Text(state, stage);
        },
        cancellation);

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

    private StagedChange Text(ControlPlaneState state, PolicyStage stage)
    {
        var tally = TallyOf(stage.Id);
        var answer = new StagedChange
        {
            Id = stage.Id,
            Person = stage.Person,
            Reason = stage.Reason,
            State = Word(stage.State),
            Step = Word(stage.Through[(int)stage.Step]),
            StepEndsAt = EndOf(stage).ToTimestamp(),
            Explanation = stage.State == State.Soaking ? tally.WaitsFor : stage.Explanation,
            Checked = tally.Checked,
            WouldDeny = tally.WouldDeny,
            WouldDenyExample = tally.Example,
            Restarts = tally.Restarts,
            CreatedAt = stage.CreatedAt,
        };
        answer.Changes.AddRange(new PolicyEdit(stage.Set, stage.Deleted, [], []).Answers(state));
        answer.Through.AddRange(stage.Through.Select(Word));
        return answer;
    }

    private static string Word(Step step) => step switch { Step.Shadow => "shadow", Step.Warn => "warn", Step.Enforce => "enforce", _ => "unknown" };

    private static List<Step> ReadSteps(Google.Protobuf.Collections.RepeatedField<string> words)
    {
        if (words.Count == 0) return [Step.Shadow, Step.Warn, Step.Enforce];
        var steps = words.Select(word => word switch
        {
            "shadow" => Step.Shadow,
            "warn" => Step.Warn,
            "enforce" => Step.Enforce,
            _ => throw Invalid($"{Quote.From(word)} is no step; expected shadow, warn and enforce, in this order"),
        }).ToList();
        return steps.Zip(steps.Skip(1)).All(pair => pair.First < pair.Second)
            ? steps
            : throw Invalid("the steps are not in order, each at most once; expected shadow, warn, enforce");
    }

    private static RpcException Invalid(string problem) => new(new Status(StatusCode.InvalidArgument, problem));
}
