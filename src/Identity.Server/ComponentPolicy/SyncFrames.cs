using Google.Protobuf;
using Grpc.Core;
using Identity.V1;

namespace Identity.Server.ComponentPolicy;

/// <summary><c>identity.v1.Sync</c> as generated code would have it, but with answers that may be serialized in part beforehand.</summary>
[BindServiceMethod(typeof(SyncFrames), nameof(BindService))]
internal abstract class SyncFrames
{
    private static readonly Method<AgentReport, SnapshotFrame> SubscribeMethod = new(
        MethodType.DuplexStreaming,
        Sync.Descriptor.FullName,
        nameof(Subscribe),
        Marshallers.Create(
            (AgentReport report, SerializationContext context) => context.Complete(report.ToByteArray()),
            context => AgentReport.Parser.ParseFrom(context.PayloadAsReadOnlySequence())),
        SnapshotFrame.Marshaller);

    public abstract Task Subscribe(IAsyncStreamReader<AgentReport> requestStream, IServerStreamWriter<SnapshotFrame> responseStream, ServerCallContext context);

    /// <param name="service">Null while the server only learns which methods there are.</param>
    public static void BindService(ServiceBinderBase binder, SyncFrames? service) =>
        binder.AddMethod(SubscribeMethod, service is null ? null : new DuplexStreamingServerMethod<AgentReport, SnapshotFrame>(service.Subscribe));
}
