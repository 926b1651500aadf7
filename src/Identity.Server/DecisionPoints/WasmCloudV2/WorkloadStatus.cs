using System.Buffers;
using System.Text.Json;

namespace Identity.Server.DecisionPoints.WasmCloudV2;

/// <summary>
/// The answer to start and to status, in the name of the host: <c>wasmcloud.runtime.v2.WorkloadStatus</c> in the state that means failed.
/// Both envelopes are spelt alike.
/// </summary>
internal static class WorkloadStatus
{
    private const int MaxMessage = 2048;

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
