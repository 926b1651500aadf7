using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Identity.Policy;
using Identity.Server.ComponentPolicy;
using Identity.Server.Endpoints;
using Identity.Server.Registration;
using Identity.V1;
using Decision = Identity.V1.Decision;
using Status = Grpc.Core.Status;

namespace Identity.Server.DecisionPoints.Grpc;

/// <summary><c>identity.v1.DecisionPoint</c>: the decision for whoever speaks gRPC.</summary>
internal sealed class DecisionPointService(DecisionPoints.DecisionPoint point, DecisionLog decisions) : V1.DecisionPoint.DecisionPointBase
{
    public const int MaxQuestions = 256;
    public const int MaxRequests = 64;
    public const int MaxBatchQuestions = 1024;

    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(2);

    public override async Task<DecideResponse> Decide(DecideRequest request, ServerCallContext context)
    {
        var question = Read(request);
        await ReachAsync(request.MinRevision, context);
        return Response(point.Decide([question], Asking(request, context)));
    }

    public override async Task<DecideBatchResponse> DecideBatch(DecideBatchRequest request, ServerCallContext context)
    {
        if (request.Requests.Count is 0 or > MaxRequests) throw Invalid($"there are {request.Requests.Count} requests; expected 1 to {MaxRequests}");
        if (request.Requests.Sum(one => one.Questions.Count) is var count && count > MaxBatchQuestions)
            throw Invalid($"there are {count} questions together; at most {MaxBatchQuestions} are allowed");
        var questions = request.Requests.Select(Read).ToList();
        await ReachAsync(request.MinRevision, context);
        var answers = point.DecideEach(questions, at => Asking(request.Requests[at], context));
        var response = new DecideBatchResponse { Revision = answers[0].Revision };
        response.Responses.AddRange(answers.Select(Response));
        return response;
    }

    public override Task<Decision> Explain(ExplainRequest request, ServerCallContext context)
    {
        if (!DecisionId.IsWellFormed(request.DecisionId))
            throw Invalid($"{Quote.From(request.DecisionId)} is not a decision id; expected d- and 26 of a-z and 2-7");
        var caller = Caller.Of(context);
        return decisions.TryGet(request.DecisionId) is { } decision && (caller is Caller.Admin || (decision.AskedBy.Length > 0 && decision.AskedBy == caller.Author))
            ? Task.FromResult(decision)
            : throw new RpcException(new Status(StatusCode.NotFound, $"the decision {request.DecisionId} is not known here, or was not asked for by this caller"));
    }

    private async Task ReachAsync(ulong revision, ServerCallContext context)
    {
        if (!await point.ReachAsync(revision, LongestWait, context.CancellationToken))
        {
            throw new RpcException(new Status(
                StatusCode.FailedPrecondition, $"min_revision is {revision} but this server is at {point.Revision}; ask the one that gave the revision, or again later"));
        }
    }

    private static Asking Asking(DecideRequest request, ServerCallContext context) => new(DoorName.Grpc, Caller.Of(context).Author, request.DryRun);

    private static Question Read(DecideRequest request)
    {
        if (request.Questions.Count is 0 or > MaxQuestions) throw Invalid($"there are {request.Questions.Count} questions; expected 1 to {MaxQuestions}");
        var problems = new List<string>();
        if (!PrincipalWire.TryRead(request.Principal, out var principal, out var problem)) problems.Add(problem);
        var asked = new List<CapabilityRequest>(request.Questions.Count);
        for (var at = 0; at < request.Questions.Count; at++)
        {
            if (CapabilityRequest.TryParse(request.Questions[at].Kind, request.Questions[at].Value, out var one, out problem)) asked.Add(one);
            else problems.Add($"question {at + 1}: {problem}");
        }

        return problems.Count == 0 ? new Question(principal!, asked) : throw Invalid(string.Join("; ", problems.Take(10)));
    }

    private static DecideResponse Response(Answer answer)
    {
        var response = new DecideResponse
        {
            DecisionId = answer.DecisionId,
            Allowed = answer.Allowed,
            Revision = answer.Revision,
            Reason = answer.Reason,
            ValidUntil = answer.ValidUntil?.ToTimestamp(),
        };
        response.Verdicts.AddRange(answer.Verdicts.Select(verdict => new V1.Verdict
        {
            Allowed = verdict.Decision.Allowed,
            Rule = verdict.Rule,
            Explanation = verdict.Text,
            SmallestGrant = verdict.SmallestGrant ?? "",
            Warning = verdict.Decision.Warned ? verdict.Decision.Warning?.ToString() ?? "" : "",
            Notes = { verdict.RefusedOnNats is { } refused ? [refused] : Array.Empty<string>() },
        }));
        return response;
    }

    private static RpcException Invalid(string problem) => new(new Status(StatusCode.InvalidArgument, problem));
}
