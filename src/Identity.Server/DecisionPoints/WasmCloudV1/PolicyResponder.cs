using Identity.Server.Ledger;
using Spiffe.Net;

namespace Identity.Server.DecisionPoints.WasmCloudV1;

/// <summary>
/// Answers a v1 host, and knows what it must be told later. The host keeps each answer for as long as it lives, under component and image
/// only, so a yes to "scale to zero" would be a yes to every later start: that one is corrected as soon as it is given.
/// </summary>
/// <param name="canCorrect">Whether there is a changes topic to tell hosts on.</param>
internal sealed class PolicyResponder(DecisionPoint point, TrustDomain trustDomain, GivenAnswers given, bool canCorrect, TimeProvider time)
{
    private static readonly Asking Live = new(DoorName.WasmCloudPolicyService);

    private static readonly Asking Silent = Live with { IsDryRun = true };

    private const string AnotherQuestion = "its requestId was that of another question; each question needs an id of its own";

    private const string NoRoom =
        "policy permits it, but there are as many yeses out as are kept track of, to this host or to all; it is permitted as soon as there is room for one more";

    private const string NotKept = "policy permits it, but the yes cannot be kept, and nobody could take it back after a restart";

    public PolicyJudgement Judge(ReadOnlyMemory<byte> body)
    {
        if (!PolicyRequest.TryParse(body, out var request, out var requestId, out var problem)) return Refuse(requestId, "", problem);
        if (!PolicyQuestions.TryMap(request, trustDomain, out var question, out problem)) return Refuse(requestId, $"lattice {Registration.Quote.From(request.Lattice)}", problem);
        var claim = canCorrect ? given.TryClaim(request) : GivenAnswers.Claim.Claimed;
        switch (claim)
        {
            case GivenAnswers.Claim.Claimed or GivenAnswers.Claim.ForNo:
                try
                {
                    return Judge(request, question, isRoomForYes: claim == GivenAnswers.Claim.Claimed);
                }
                catch
                {
                    given.Release(request);
                    throw;
                }

            case GivenAnswers.Claim.OfAnother:
                return Refuse(request.RequestId, question.Principal.Id.ToString(), AnotherQuestion);
            default:
                // A no that is not remembered would be kept for as long as the host lives; of no answer it keeps nothing, and asks again.
                DecisionPointTelemetry.Count(DoorName.WasmCloudPolicyService, DecisionOutcome.Unanswered);
                return new PolicyJudgement(null) { FoundNoRoom = true };
        }
    }

    /// <summary>The answer when there was no time to decide: a no that is corrected, or none at all where it would stay for ever.</summary>
    public PolicyJudgement RefuseLate(ReadOnlyMemory<byte> body)
    {
        if (!canCorrect || !PolicyRequest.TryParse(body, out var request, out _, out _)
            || given.TryClaim(request) is not (GivenAnswers.Claim.Claimed or GivenAnswers.Claim.ForNo))
        {
            DecisionPointTelemetry.Count(DoorName.WasmCloudPolicyService, DecisionOutcome.Unanswered);
            return new PolicyJudgement(null);
        }

        DecisionPointTelemetry.Count(DoorName.WasmCloudPolicyService, DecisionOutcome.Late);
        return new PolicyJudgement(new PolicyResponse(request.RequestId, false, "there was no time to decide; the answer follows on the changes topic"))
        {
            Given = new GivenAnswer(request, Permitted: false, ValidUntil: null) { At = time.GetUtcNow() },
        };
    }

    /// <summary>The answer in place of a yes that could not be kept: a no that is corrected as soon as it can.</summary>
    public PolicyJudgement RefuseUnkept(PolicyRequest request)
    {
        var refusal = point.Refuse($"{request.Kind} of {Registration.Quote.From(request.Id)}", $"{NotKept}: {given.Problem ?? "the disk is too slow"}", Live, DecisionOutcome.NotKept);
        return new PolicyJudgement(Response(request, refusal)) { Given = Given(request, refusal), PolicyRevision = refusal.PolicyRevision, IsOwed = true };
    }

    /// <summary>
    /// Decides anew what hosts were told, and returns what they must be told now because it is another answer: noted as told already, so
    /// that who cannot tell it takes that back. The yeses first, for those that end make room for others.
    /// </summary>
    /// <param name="owed">Told of each yes that is due and cannot be kept now.</param>
    public IEnumerable<PolicyNews> Review(Action? owed = null)
    {
        foreach (var before in given.ToList().OrderByDescending(answer => answer.Permitted))
        {
            if (!PolicyQuestions.TryMap(before.Request, trustDomain, out var question, out var problem))
            {
                // Kept by an earlier process, which had another name for it.
                if (before.Permitted && TakeBack(before, problem) is { } taken) yield return taken;
                continue;
            }

            var silent = point.Decide([question], Silent);
            if (silent.Allowed == before.Permitted)
            {
                if (silent.ValidUntil != before.ValidUntil) given.Replace(before, before with { ValidUntil = silent.ValidUntil });
                continue;
            }

            if (silent.Allowed && given.Problem is not null)
            {
                owed?.Invoke();
                continue;
            }

            if (silent.Allowed && !given.HasRoomForYes(before.Request)) continue;
            var answer = point.Decide([question], Live);
            var response = Response(before.Request, answer);
            var after = new GivenAnswer(before.Request, answer.Allowed, answer.ValidUntil) { At = time.GetUtcNow(), News = response };
            if (given.Replace(before, after) && answer.Allowed != before.Permitted) yield return new PolicyNews(before, after, response);
        }
    }

    private PolicyNews? TakeBack(GivenAnswer before, string problem)
    {
        var response = Response(before.Request, point.Refuse($"lattice {Registration.Quote.From(before.Request.Lattice)}", problem, Live));
        var after = before with { Permitted = false, ValidUntil = null, At = time.GetUtcNow(), News = response };
        return given.Replace(before, after) ? new PolicyNews(before, after, response) : null;
    }

    private PolicyJudgement Judge(PolicyRequest request, Question question, bool isRoomForYes)
    {
        var isKeepable = !canCorrect || given.Problem is null;
        if (request.IsStop || !isRoomForYes || !isKeepable)
        {
            var isPermitted = point.Decide([question], Silent).Allowed;
            if (request.IsStop && !(isPermitted && isRoomForYes && isKeepable) && LetStop(request, question) is { } stop) return stop;
            if (isPermitted && isRoomForYes && !isKeepable) return RefuseUnkept(request);
            if (isPermitted && !isRoomForYes)
            {
                var refusal = point.Refuse(question.Principal.Id.ToString(), NoRoom, Live, DecisionOutcome.NoRoom);
                return new PolicyJudgement(Response(request, refusal)) { Given = Given(request, refusal), PolicyRevision = refusal.PolicyRevision, FoundNoRoom = true };
            }
        }

        var answer = point.Decide([question], Live);
        return new PolicyJudgement(Response(request, answer)) { Given = Given(request, answer), PolicyRevision = answer.PolicyRevision };
    }

    private GivenAnswer Given(PolicyRequest request, Answer answer) => new(request, answer.Allowed, answer.ValidUntil) { At = time.GetUtcNow() };

    private PolicyJudgement Refuse(string requestId, string about, string problem) =>
        new(new PolicyResponse(requestId, false, Message(point.Refuse(about, problem, Live))));

    // To stop is not to be held up for what may be running; for all else, zero instances of it are a question like any other.
    private PolicyJudgement? LetStop(PolicyRequest request, Question question)
    {
        if (!canCorrect || !given.MayRun(request)) return null;
        var answer = point.LetThrough(question.Principal.Id.ToString(), "scaling to zero stops what runs and starts nothing", Live);
        var before = new GivenAnswer(request, Permitted: true, ValidUntil: null) { At = time.GetUtcNow() };
        var correction = new PolicyResponse(request.RequestId, false, $"that was to stop only ({answer.DecisionId})");
        return new PolicyJudgement(new PolicyResponse(request.RequestId, true, $"to stop only ({answer.DecisionId})"))
        {
            Given = before,
            Correction = new PolicyNews(before, before with { Permitted = false, News = correction }, correction),
        };
    }

    private static PolicyResponse Response(PolicyRequest request, Answer answer) => new(request.RequestId, answer.Allowed, Message(answer));

    private static string Message(Answer answer) => $"{answer.Reason}; ask for decision {answer.DecisionId}";
}

/// <param name="Response">Null when no answer is better than one.</param>
internal sealed record PolicyJudgement(PolicyResponse? Response)
{
    /// <summary>What to remember once the answer is out; null when it can never change.</summary>
    public GivenAnswer? Given { get; init; }

    /// <summary>What to tell the host right after, unasked.</summary>
    public PolicyNews? Correction { get; init; }

    /// <summary>A yes that is sent also when it cannot be kept: it only stops something, and is taken back at once.</summary>
    public bool MayGoUnkept => Correction is not null;

    /// <summary>True when it is refused because the yes could not be kept.</summary>
    public bool IsOwed { get; init; }

    /// <summary>True when it is refused, or not answered, because too many answers are out.</summary>
    public bool FoundNoRoom { get; init; }

    /// <summary>The revision of the policy it was decided with; null when it must be looked at again at once.</summary>
    public ulong? PolicyRevision { get; init; }

    /// <summary>Whether another answer may be due by now. What else the ledger holds is no matter: entries and agents come and go all the time.</summary>
    public bool MayBeOutdated(ControlPlaneState now) => PolicyRevision != now.PolicyRevision;
}
