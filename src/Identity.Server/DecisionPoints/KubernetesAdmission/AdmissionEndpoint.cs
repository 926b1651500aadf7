using System.Globalization;
using Identity.Server.DecisionPoints.WasmCloudV2;
using Spiffe.Net;

namespace Identity.Server.DecisionPoints.KubernetesAdmission;

/// <summary>
/// The validating webhook for workloads of wasmCloud v2, on a listener of its own. Who can reach it may ask: an API server shows no client
/// certificate unless it is told to. What is let through is remembered until it is deleted; a dry run leaves nothing behind.
/// </summary>
internal sealed partial class AdmissionEndpoint(
    DecisionPoint point,
    TrustDomain trustDomain,
    AdmissionClients clients,
    AllowedWorkloads workloads,
    BoundedBody bodies,
    TimeProvider time,
    ILogger<AdmissionEndpoint> logger)
{
    private readonly RecordingBound _refusalsLogged = new(60);

    public const string Path = "/validate";

    private const string Kubernetes = "kubernetes";

    public async Task HandleAsync(HttpContext call)
    {
        try
        {
            await AnswerAsync(call);
        }
        catch (Exception e) when (call.RequestAborted.IsCancellationRequested && e is OperationCanceledException or IOException)
        {
            // The API server has given up; failurePolicy Fail denies the write.
        }
        catch (BadHttpRequestException e)
        {
            await PlainAnswer.SayAsync(call, e.StatusCode, "the body cannot be read");
        }
        catch (Exception e)
        {
            Failed(e);
            if (!call.Response.HasStarted) await PlainAnswer.SayAsync(call, 500, "internal error; the server's log says more");
        }
    }

    /// <summary>The answer to a review. What cannot be kept is refused.</summary>
    public async Task<AdmissionAnswer> JudgeAsync(AdmissionReview review)
    {
        var asking = new Asking(DoorName.KubernetesAdmission, Kubernetes, review.IsDryRun) { IsProven = clients.AsksForCertificate };
        try
        {
            return await JudgeAsync(review, asking);
        }
        catch (IOException e)
        {
            return Refuse(review, $"{AllowedWorkloads.NotKept}: {e.Message}", asking, DecisionOutcome.NotKept);
        }
    }

    private async Task<AdmissionAnswer> JudgeAsync(AdmissionReview review, Asking asking)
    {
        switch (review.Question)
        {
            // Not decisions: what is there already was decided when it came.
            case AdmissionQuestion.Ends:
                if (!review.IsDryRun) await workloads.ForgetAsync(review.Id, isDeletion: true);
                return new AdmissionAnswer(review.Uid, true, "", [], "");
            case AdmissionQuestion.NothingNew(var had):
                if (had is not null && WorkloadQuestions.TryMap(had, trustDomain, out var asked, out _)) await RememberAsync(review, asked);
                return new AdmissionAnswer(review.Uid, true, "", [], "");
            case AdmissionQuestion.Workload(var needs):
                if (!WorkloadQuestions.TryMap(needs, trustDomain, out var questions, out var problem)) return Refuse(review, problem, asking);
                var answer = point.Decide(questions, asking);
                if (answer.Allowed) await RememberAsync(review, questions);
                return Word(review, answer);
            case AdmissionQuestion.Unanswerable(var why):
                return Refuse(review, why, asking);
            default:
                return Refuse(review, "no decision", asking);
        }
    }

    private async Task AnswerAsync(HttpContext call)
    {
        if (!clients.Admit(call))
        {
            if (_refusalsLogged.HasRoom(time)) NotTheApiServer();
            await PlainAnswer.SayAsync(call, 403, "the client certificate of the API server is asked for here");
            return;
        }

        if (call.Request.Path != Path || !HttpMethods.IsPost(call.Request.Method))
        {
            await PlainAnswer.SayAsync(call, 404, $"there is nothing here; reviews are posted to {Path}");
            return;
        }

        var body = await bodies.ReadAsync(call, AdmissionReview.Bounds.MaxBytes, patience: PatienceOf(call.Request.Query["timeout"]));
        if (body.Bytes is null)
        {
            await PlainAnswer.SayAsync(call, body.Status, body.Problem);
            return;
        }

        if (!AdmissionReview.TryParse(body.Bytes, out var review, out var problem))
        {
            DecisionPointTelemetry.Count(DoorName.KubernetesAdmission, DecisionOutcome.Malformed);
            await PlainAnswer.SayAsync(call, 400, problem);
            return;
        }

        // Who has given up has denied the write: nothing is recorded as allowed to it.
        call.RequestAborted.ThrowIfCancellationRequested();
        var json = (await JudgeAsync(review)).ToJson();
        call.Response.ContentType = "application/json";
        call.Response.ContentLength = json.Length;
        await call.Response.Body.WriteAsync(json, call.RequestAborted);
    }

    private async Task RememberAsync(AdmissionReview review, IReadOnlyList<Question> questions)
    {
        if (review.IsDryRun) return;
        // An update tells that this one leaves, and not that this door is told of deletions.
        if (review.IsLeaving) await workloads.ForgetAsync(review.Id, isDeletion: false);
        else await workloads.AllowAsync(review.Id, review.Namespace, review.Name, questions);
    }

    // An API server says how long it waits: whole seconds, 1 to 30. Then it has denied the write, whatever is said here.
    private static TimeSpan? PatienceOf(string? timeout) =>
        timeout is [.. var seconds, 's'] && int.TryParse(seconds, NumberStyles.None, CultureInfo.InvariantCulture, out var count) && count is >= 1 and <= 30 ? TimeSpan.FromSeconds(count) : null;

    // kubectl prints the message as it is, so one refusal stands on a line, and the last line says how to go on.
    private static AdmissionAnswer Word(AdmissionReview review, Answer answer)
    {
        if (answer.Allowed) return new AdmissionAnswer(review.Uid, true, "", answer.Warnings, answer.DecisionId);
        var lines = answer.Denied.Take(DecisionPoint.MaxExplained).Select(verdict => $"- {verdict.Principal.Id}: {verdict.Text}").ToList();
        var more = answer.Denied.Count() - lines.Count;
        if (more > 0) lines.Add($"- and {more} more");
        var grant = answer.SmallestGrant is { } text ? $"\nthe smallest grant that would turn this:\n{text.TrimEnd()}" : "";
        return new AdmissionAnswer(
            review.Uid, false, $"{review.Object} asks for what policy does not grant:\n{string.Join('\n', lines)}{grant}{How(answer)}", answer.Warnings, answer.DecisionId);
    }

    private AdmissionAnswer Refuse(AdmissionReview review, string problem, Asking asking, DecisionOutcome outcome = DecisionOutcome.Malformed)
    {
        var answer = point.Refuse(review.Object, problem, asking, outcome);
        return new AdmissionAnswer(review.Uid, false, $"{review.Object}: {problem}{How(answer)}", [], answer.DecisionId);
    }

    private static string How(Answer answer) => answer.DecisionId.Length == 0 ? "" : $"\nask `identity why {answer.DecisionId}`";

    [LoggerMessage(Level = LogLevel.Warning, Message = "An admission review was refused: the client showed no certificate of the API server's CA")]
    private partial void NotTheApiServer();

    [LoggerMessage(Level = LogLevel.Error, Message = "An admission review failed.")]
    private partial void Failed(Exception cause);
}
