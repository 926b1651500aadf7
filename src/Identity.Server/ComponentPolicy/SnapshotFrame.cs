using System.Buffers;
using Google.Protobuf;
using Grpc.Core;
using Identity.V1;

namespace Identity.Server.ComponentPolicy;

/// <summary>
/// A Snapshot for one agent: the part that all agents share, serialized once for all of them, and the agent's own. Serialized protobuf
/// messages put one after the other are one message, so the shared bytes are copied and never written again.
/// </summary>
internal sealed record SnapshotFrame(ReadOnlyMemory<byte> Shared, Snapshot Own)
{
    public static readonly Marshaller<SnapshotFrame> Marshaller = Marshallers.Create(Write, Read);

    private static void Write(SnapshotFrame frame, SerializationContext context)
    {
        context.SetPayloadLength(frame.Shared.Length + frame.Own.CalculateSize());
        var writer = context.GetBufferWriter();
        writer.Write(frame.Shared.Span);
        frame.Own.WriteTo(writer);
        context.Complete();
    }

    private static SnapshotFrame Read(DeserializationContext context) =>
        new(default, Snapshot.Parser.ParseFrom(context.PayloadAsReadOnlySequence()));
}
