using System.Buffers;
using System.Text.Json;

namespace Identity.Server.DecisionPoints.WasmCloudV1;

/// <summary>What a v1 host reads, as a reply and on the changes topic. Everything else in it the host would pass over.</summary>
/// <param name="Message">For the host's log. At most <see cref="MaxMessage"/> characters are sent.</param>
internal sealed record PolicyResponse(string RequestId, bool Permitted, string Message)
{
    public const int MaxMessage = 1024;

    public byte[] ToJson()
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("requestId", RequestId);
            json.WriteBoolean("permitted", Permitted);
            if (Message.Length > 0) json.WriteString("message", Message.Length <= MaxMessage ? Message : Message[..MaxMessage] + "…");
            json.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }
}
