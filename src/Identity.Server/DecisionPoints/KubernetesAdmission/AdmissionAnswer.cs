using System.Buffers;
using System.Text;
using System.Text.Json;

namespace Identity.Server.DecisionPoints.KubernetesAdmission;

/// <summary>The answer to a review: an <c>AdmissionReview</c> of the same version with the uid that was asked.</summary>
/// <param name="Message">What <c>kubectl</c> prints when it is denied; empty when allowed.</param>
/// <param name="Warnings">Printed by <c>kubectl</c> though it is allowed.</param>
/// <param name="DecisionId">For the API server's audit log; empty on a dry run, which leaves no trace.</param>
internal sealed record AdmissionAnswer(string Uid, bool Allowed, string Message, IReadOnlyList<string> Warnings, string DecisionId)
{
    private const int MaxMessage = 4096;

    // The API server cuts one warning at 256 characters and all at 4096.
    private const int MaxWarning = 256;
    private const int MaxWarnings = 16;

    public byte[] ToJson()
    {
        var buffer = new ArrayBufferWriter<byte>(512);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("apiVersion", "admission.k8s.io/v1");
            json.WriteString("kind", "AdmissionReview");
            json.WriteStartObject("response");
            json.WriteString("uid", Uid);
            json.WriteBoolean("allowed", Allowed);
            if (!Allowed)
            {
                json.WriteStartObject("status");
                json.WriteNumber("code", 403);
                json.WriteString("reason", "Forbidden");
                json.WriteString("message", Message.Length <= MaxMessage ? Message : Message[..MaxMessage] + "…");
                json.WriteEndObject();
            }

            if (Warnings.Count > 0)
            {
                json.WriteStartArray("warnings");
                foreach (var warning in Warnings.Take(MaxWarnings)) json.WriteStringValue(OneLine(warning));
                json.WriteEndArray();
            }

            if (DecisionId.Length > 0)
            {
                json.WriteStartObject("auditAnnotations");
                json.WriteString("decision-id", DecisionId);
                json.WriteEndObject();
            }

            json.WriteEndObject();
            json.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    // It travels in an HTTP header.
    private static string OneLine(string text)
    {
        var line = new StringBuilder(Math.Min(text.Length, MaxWarning));
        foreach (var character in text.AsSpan()[..Math.Min(text.Length, MaxWarning)]) line.Append(character is >= ' ' and <= '~' ? character : ' ');
        return line.ToString();
    }
}
