using System.Buffers;
using System.Text.Json;
using Spiffe.Net;

namespace Identity.Server.DecisionPoints.WasmCloudV2;

/// <summary>May this workload start on this host? And if not, what is told to whom.</summary>
internal sealed class StartJudge(DecisionPoint point, TrustDomain trustDomain)
{
    private static readonly Asking Asking = new(DoorName.WasmCloudInterposer);

    public StartJudgement Judge(ReadOnlyMemory<byte> body)
    {
        if (!StartRequest.TryParse(body, out var request, out var workloadId, out var problem))
            return new StartJudgement.Refused(workloadId, point.Refuse("a start of a wasmCloud v2 workload", problem, Asking), "", "");
        if (!WorkloadQuestions.TryMap(request.Needs, trustDomain, out var questions, out problem))
            return new StartJudgement.Refused(workloadId, point.Refuse($"workload {workloadId}", problem, Asking), request.Needs.Namespace, request.Needs.Name);
        var answer = point.Decide(questions, Asking);
        return answer.Allowed
            ? new StartJudgement.LetThrough(workloadId, answer, request.Needs, questions)
            : new StartJudgement.Refused(workloadId, answer, request.Needs.Namespace, request.Needs.Name);
    }

    /// <summary>The refusal of what policy permits and nothing would remember.</summary>
    public StartJudgement.Refused RefuseUnkept(StartJudgement.LetThrough allowed, string problem)
    {
        var answer = point.Refuse($"workload {allowed.WorkloadId}", $"{AllowedWorkloads.NotKept}: {problem}", Asking, DecisionOutcome.NotKept);
        return new StartJudgement.Refused(allowed.WorkloadId, answer, allowed.Needs.Namespace, allowed.Needs.Name);
    }
}

internal abstract record StartJudgement(string WorkloadId, Answer Answer)
{
    public sealed record LetThrough(string WorkloadId, Answer Answer, WorkloadNeeds Needs, IReadOnlyList<Question> Questions) : StartJudgement(WorkloadId, Answer);

    /// <param name="WorkloadId">Empty when it could not be read: then nobody can be told.</param>
    public sealed record Refused(string WorkloadId, Answer Answer, string Namespace, string Name) : StartJudgement(WorkloadId, Answer)
    {
        /// <summary>For the operator, which drops it, and for whoever asks the host.</summary>
        public string Message => $"refused by policy: {Answer.Reason}; ask for decision {Answer.DecisionId}";

        /// <summary>For whoever listens on the refusals subject.</summary>
        public byte[] ToJson(string hostId)
        {
            var buffer = new ArrayBufferWriter<byte>(512);
            using (var json = new Utf8JsonWriter(buffer))
            {
                json.WriteStartObject();
                json.WriteString("decisionId", Answer.DecisionId);
                json.WriteString("hostId", hostId);
                json.WriteString("workloadId", WorkloadId);
                json.WriteString("namespace", Namespace);
                json.WriteString("name", Name);
                json.WriteString("reason", Answer.Reason);
                json.WriteString("revision", Answer.Revision.ToString(System.Globalization.CultureInfo.InvariantCulture));
                json.WriteEndObject();
            }

            return buffer.WrittenSpan.ToArray();
        }
    }
}
