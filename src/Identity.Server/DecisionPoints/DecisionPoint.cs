using System.Collections.Immutable;
using Google.Protobuf.WellKnownTypes;
using Identity.Policy;
using Identity.Server.ComponentPolicy;
using Identity.Server.Ledger;
using Identity.Server.Registration;
using Identity.V1;
using Decision = Identity.V1.Decision;
using Principal = Identity.Policy.Principal;

namespace Identity.Server.DecisionPoints;

/// <summary>
/// What stands behind every door: reads the newest policy once, decides each question with it, explains what it denies, and keeps one
/// decision in the one log. A door turns its protocol into principals and requests, and the answer back; it decides nothing.
/// </summary>
internal sealed class DecisionPoint(
    ControlPlaneLedger ledger, DecisionLog decisions, ShadowCounts shadows, StageObservations staged, TimeProvider time)
{
    /// <summary>Questions in one decision.</summary>
    public const int MaxQuestions = 4096;

    /// <summary>Denials that are explained; the others are only named.</summary>
    public const int MaxExplained = 16;

    // As many as an agent may report: a door that is flooded must not push the decisions of the others out of the log.
    private const int MaxRecordedPerMinute = 6000;

    // Each is tried on every staged change.
    private const int MaxClaimsPerMinute = 3000;

    private readonly RecordingBound _claims = new(MaxClaimsPerMinute);

    private readonly RecordingBound[] _bounds = [.. System.Enum.GetValues<DoorName>().Select(_ => new RecordingBound(MaxRecordedPerMinute))];

    /// <summary>The ledger revision that is decided at now.</summary>
    public ulong Revision => ledger.State.Revision;

    public Answer Decide(Principal principal, IReadOnlyList<CapabilityRequest> requests, DoorName door) => Decide(principal, requests, new Asking(door));

    public Answer Decide(Principal principal, IReadOnlyList<CapabilityRequest> requests, Asking asking) => Decide([new Question(principal, requests)], asking);

    /// <summary>One decision about several principals, such as the components of one workload: yes when each may have all it asks for.</summary>
    public Answer Decide(IReadOnlyList<Question> questions, Asking asking)
    {
        var state = ledger.State;
        return Decide(questions, asking, state, new NatsReaches(state.Policy, time.GetUtcNow()));
    }

    /// <summary>Decisions of their own, all at one revision.</summary>
    public IReadOnlyList<Answer> DecideEach(IReadOnlyList<Question> questions, Func<int, Asking> asking)
    {
        var state = ledger.State;
        var reaches = new NatsReaches(state.Policy, time.GetUtcNow());
        return [.. questions.Select((question, at) => Decide([question], asking(at), state, reaches))];
    }

    /// <summary>A no that policy was not asked for: what came cannot be understood, or has no name that policy could speak of.</summary>
    /// <param name="about">Whom or what it is about, as far as that is fit to be shown; may be empty.</param>
    /// <param name="reason">One sentence; foreign text in it is quoted.</param>
    /// <param name="outcome">As it is counted.</param>
    public Answer Refuse(string about, string reason, Asking asking, DecisionOutcome outcome = DecisionOutcome.Malformed)
    {
        var state = ledger.State;
        var answer = new Answer { DecisionId = "", Allowed = false, Revision = state.Revision, PolicyRevision = state.PolicyRevision, Reason = reason };
        var summary = about.Length == 0 ? reason : $"{about}: {reason}";
        DecisionPointTelemetry.Count(asking.Door, outcome);
        return asking.IsDryRun ? answer : answer with { DecisionId = Record(new Decision { Summary = summary, PolicyRevision = state.PolicyRevision }, asking) };
    }

    /// <summary>A yes that policy was not asked for: it takes authority away, or leaves things as they are, and must not be held up.</summary>
    public Answer LetThrough(string about, string reason, Asking asking)
    {
        var state = ledger.State;
        var answer = new Answer { DecisionId = "", Allowed = true, Revision = state.Revision, PolicyRevision = state.PolicyRevision, Reason = reason };
        DecisionPointTelemetry.Count(asking.Door, DecisionOutcome.Allowed);
        return asking.IsDryRun
            ? answer
            : answer with { DecisionId = Record(new Decision { Allowed = true, Summary = $"{about}: {reason}", PolicyRevision = state.PolicyRevision }, asking) };
    }

    /// <summary>Whether the ledger has come as far as a revision; waits for it as long as is said.</summary>
    public async Task<bool> ReachAsync(ulong revision, TimeSpan wait, CancellationToken cancellation)
    {
        if (ledger.State.Revision >= revision) return true;
        // With a timer of its own, which does no harm when it goes off while it is disposed of.
        using var passed = new CancellationTokenSource(wait, time);
        using var late = CancellationTokenSource.CreateLinkedTokenSource(cancellation, passed.Token);
        try
        {
            await foreach (var state in ledger.WatchAsync(late.Token))
            {
                if (state.Revision >= revision) return true;
            }
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            // Not in time.
        }

        return false;
    }

    private Answer Decide(IReadOnlyList<Question> questions, Asking asking, ControlPlaneState state, NatsReaches reaches)
    {
        var started = time.GetTimestamp();
        var count = questions.Sum(question => question.Requests.Count);
        if (count is 0 or > MaxQuestions) return Refuse("", $"{count} capabilities are asked for; expected 1 to {MaxQuestions}", asking);

        var now = reaches.At;
        var verdicts = ImmutableArray.CreateBuilder<Verdict>(count);
        var denied = 0;
        DateTimeOffset? validUntil = null;
        foreach (var (principal, requests) in questions)
        {
            foreach (var request in requests)
            {
                var decision = NatsRights.Decide(state.Policy, principal, request, now);
                var explanation = !decision.Allowed && ++denied <= MaxExplained ? NatsRights.Explain(state.Policy, principal, request, now) : null;
                verdicts.Add(new Verdict(principal, request, decision, explanation) { RefusedOnNats = decision.Allowed ? reaches.WhyRefused(principal, request) : null });
                if (decision.Allowed && decision.ValidUntil is { } end && !(validUntil <= end)) validUntil = end;
            }
        }

        var all = verdicts.MoveToImmutable();
        var answer = new Answer
        {
            DecisionId = "",
            Allowed = denied == 0,
            Revision = state.Revision,
            PolicyRevision = state.PolicyRevision,
            Reason = AnswerText.Reason(all, denied),
            Verdicts = all,
            ValidUntil = denied == 0 ? validUntil : null,
            SmallestGrant = denied is > 0 and <= MaxExplained ? AnswerText.SmallestGrant(state.Policy, all) : null,
        };
        DecisionPointTelemetry.Count(asking.Door, answer.Allowed ? DecisionOutcome.Allowed : DecisionOutcome.Denied);
        DecisionPointTelemetry.Duration(asking.Door, time.GetElapsedTime(started));
        if (asking.IsDryRun) return answer;
        answer = answer with { DecisionId = Record(AnswerText.ToDecision(answer, state.PolicyRevision), asking) };
        foreach (var verdict in answer.Verdicts)
        {
            if (verdict.Decision is { ShadowAllowed: { } would, ShadowRule: { } rule }) shadows.Record(rule, would, answer.DecisionId);
            Observe(verdict, asking);
        }

        return answer;
    }

    private void Observe(Verdict verdict, Asking asking)
    {
        if (asking.IsProven) staged.Decided(verdict.Principal, verdict.Request, verdict.Decision.Allowed);
        else if (!staged.IsOpen || !verdict.Decision.Allowed) return;
        else if (_claims.HasRoom(time)) staged.Claimed(new StageClaim(verdict.Principal, verdict.Request, asking.Door.Text));
        else staged.ClaimNotTried();
    }

    private string Record(Decision decision, Asking asking)
    {
        decision.Kind = DecisionKind.Capability;
        decision.Door = asking.Door.Text;
        decision.AskedBy = asking.AskedBy;
        decision.Proven = asking.IsProven;
        decision.DecidedAt = time.GetUtcNow().ToTimestamp();
        return _bounds[(int)asking.Door].HasRoom(time, DecisionLog.WeightOf(decision)) ? decisions.Record(decision) : DecisionId.Create();
    }
}

/// <summary>What nats-server is told about those who are asked about together: worked out once each, and of the first few.</summary>
internal sealed class NatsReaches(CapabilityPolicy policy, DateTimeOffset now)
{
    // Each costs what a login costs, which a batch may ask for thousands of times.
    public const int Most = 64;

    private static readonly string NotLookedAt =
        $"whether nats-server refuses it all the same was not looked at: of those who are asked about together it is for the first {Most}; ask about this one by itself";

    private readonly Dictionary<Principal, NatsReach> _known = [];

    /// <summary>The moment that is decided at.</summary>
    public DateTimeOffset At => now;

    /// <summary>Why it is refused, or that this was not looked at; null when nats-server lets it happen.</summary>
    public string? WhyRefused(Principal principal, CapabilityRequest request)
    {
        if (!NatsReach.IsAbout(request)) return null;
        if (_known.TryGetValue(principal, out var reach)) return reach.WhyRefused(request);
        if (_known.Count == Most) return NotLookedAt;
        _known.Add(principal, reach = NatsReach.Of(policy, principal, now));
        return reach.WhyRefused(request);
    }
}

/// <summary>What one principal asks for.</summary>
internal sealed record Question(Principal Principal, IReadOnlyList<CapabilityRequest> Requests);
