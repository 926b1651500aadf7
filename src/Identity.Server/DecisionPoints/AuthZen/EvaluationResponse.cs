using System.Buffers;
using System.Text.Json;

namespace Identity.Server.DecisionPoints.AuthZen;

/// <summary>
/// One decision as the Authorization API writes it: <c>decision</c>, and in <c>context</c> what a person or a PEP can do with it.
/// </summary>
/// <param name="DecisionId">Empty when the evaluation could not be asked.</param>
/// <param name="Reason">One sentence.</param>
/// <param name="SmallestGrant">Policy text (YAML) that would turn a denial; null when none would.</param>
/// <param name="Warnings">What <see cref="Answer.Warnings"/> says.</param>
/// <param name="Problem">Set when the evaluation itself is at fault; then the decision is no.</param>
internal sealed record EvaluationResponse(
    bool Decision, string DecisionId, string Reason, string? SmallestGrant, ulong Revision, IReadOnlyList<string> Warnings, string? Problem = null)
{
    public static EvaluationResponse Wrong(string problem) => new(false, "", "", null, 0, [], problem);

    public static byte[] Single(EvaluationResponse response) => Write(json => response.Write(json));

    /// <summary>In the order of the request. Without a top-level <c>decision</c>, as is recommended.</summary>
    public static byte[] Several(IReadOnlyList<EvaluationResponse> responses) => Write(json =>
    {
        json.WriteStartObject();
        json.WriteStartArray("evaluations");
        foreach (var response in responses) response.Write(json);
        json.WriteEndArray();
        json.WriteEndObject();
    });

    private static byte[] Write(Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>(512);
        using (var json = new Utf8JsonWriter(buffer)) write(json);
        return buffer.WrittenSpan.ToArray();
    }

    private void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteBoolean("decision", Decision);
        json.WriteStartObject("context");
        if (Problem is not null)
        {
            json.WriteStartObject("error");
            json.WriteNumber("status", 400);
            json.WriteString("message", Problem);
            json.WriteEndObject();
        }
        else
        {
            json.WriteString("id", DecisionId);
            json.WriteString("reason", Reason);
            if (SmallestGrant is not null) json.WriteString("smallest_grant", SmallestGrant);
            // A text: revisions are 64 bits, and a JSON number is read as a double (RFC 7493 §2.2).
            json.WriteString("revision", Revision.ToString(System.Globalization.CultureInfo.InvariantCulture));
            if (Warnings.Count > 0)
            {
                json.WriteStartArray("warnings");
                foreach (var warning in Warnings) json.WriteStringValue(warning);
                json.WriteEndArray();
            }
        }

        json.WriteEndObject();
        json.WriteEndObject();
    }
}
