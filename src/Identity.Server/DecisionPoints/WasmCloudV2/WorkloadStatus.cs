using System.Buffers;
using System.Text.Json;

namespace Identity.Server.DecisionPoints.WasmCloudV2;

/// <summary>
/// The answer to start and to status, in the name of the host: <c>wasmcloud.runtime.v2.WorkloadStatus</c> in the state that means failed.
/// Both envelopes are spelt alike. And what a host says of its own.
/// </summary>
internal static class WorkloadStatus
{
    private const int MaxMessage = 2048;

    private static readonly JsonBounds Bounds = new(64 << 10, 8);

    /// <summary>Whether a host says in its answer that a workload runs, or is about to; null when it says neither.</summary>
    public static bool? Runs(ReadOnlyMemory<byte> answer, string workloadId)
    {
        if (!JsonReading.TryParse(answer, Bounds, out var document, out _)) return null;
        using (document)
        {
            var reading = new JsonReading();
            var status = reading.Object(document.RootElement, "", "workloadStatus");
            if (reading.Text(status, "", "workloadId", WorkloadIds.MaxLength) != workloadId) return null;
            return reading.Text(status, "", "workloadState", 64) switch
            {
                "WORKLOAD_STATE_STARTING" or "WORKLOAD_STATE_RUNNING" => true,
                "WORKLOAD_STATE_STOPPING" or "WORKLOAD_STATE_COMPLETED" or "WORKLOAD_STATE_NOT_FOUND" => false,
                // What failed may be tried again.
                _ => null,
            };
        }
    }

    public static byte[] Refused(string workloadId, string message)
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteStartObject("workloadStatus");
            json.WriteString("workloadId", workloadId);
            json.WriteString("workloadState", "WORKLOAD_STATE_ERROR");
            json.WriteString("message", message.Length <= MaxMessage ? message : message[..MaxMessage] + "…");
            json.WriteEndObject();
            json.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }
}
