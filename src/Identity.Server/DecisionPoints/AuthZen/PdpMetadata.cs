using System.Buffers;
using System.Text.Json;

namespace Identity.Server.DecisionPoints.AuthZen;

/// <summary>The document at <c>/.well-known/authzen-configuration</c>. What is not in it is not served: there is no search.</summary>
internal static class PdpMetadata
{
    public const string WellKnownPath = "/.well-known/authzen-configuration";
    public const string EvaluationPath = "/access/v1/evaluation";
    public const string EvaluationsPath = "/access/v1/evaluations";

    /// <param name="identifier">The PDP's URL, without a slash at its end: PEPs compare it byte by byte.</param>
    public static byte[] ToJson(string identifier)
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("policy_decision_point", identifier);
            json.WriteString("access_evaluation_endpoint", identifier + EvaluationPath);
            json.WriteString("access_evaluations_endpoint", identifier + EvaluationsPath);
            json.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }
}
