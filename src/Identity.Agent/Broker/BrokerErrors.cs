using Google.Protobuf;
using Grpc.Core;

namespace Identity.Agent.Broker;

/// <summary>The errors of SPIFFE Broker API §4.8: a status, and a google.rpc.ErrorInfo that a program can read.</summary>
internal static class BrokerErrors
{
    private const string Domain = "spiffe.io";

    public static RpcException ReferenceInvalid(string problem) => Make(StatusCode.InvalidArgument, "WORKLOAD_REFERENCE_INVALID", problem);

    public static RpcException NotFound(string problem) => Make(StatusCode.NotFound, "WORKLOAD_NOT_FOUND", problem);

    public static RpcException NotEntitled(string problem) => Make(StatusCode.PermissionDenied, "WORKLOAD_NOT_ENTITLED", problem);

    private static RpcException Make(StatusCode status, string reason, string message) => new(
        new Status(status, message), new Metadata { { "grpc-status-details-bin", Details((int)status, reason, message) } });

    // google.rpc.Status { code = 1; message = 2; details = 3 } holding an Any { type_url = 1; value = 2 } of
    // google.rpc.ErrorInfo { reason = 1; domain = 2 }: three small messages, written by hand.
    private static byte[] Details(int code, string reason, string message)
    {
        var info = Write(o => Field(Field(o, 1, reason), 2, Domain));
        var any = Write(o => Field(Field(o, 1, "type.googleapis.com/google.rpc.ErrorInfo"), 2, info));
        return Write(o =>
        {
            o.WriteTag(1, WireFormat.WireType.Varint);
            o.WriteInt32(code);
            Field(Field(o, 2, message), 3, any);
        });
    }

    private static byte[] Write(Action<CodedOutputStream> write)
    {
        using var buffer = new MemoryStream();
        using (var output = new CodedOutputStream(buffer, leaveOpen: true)) write(output);
        return buffer.ToArray();
    }

    private static CodedOutputStream Field(CodedOutputStream output, int number, string value)
    {
        output.WriteTag(number, WireFormat.WireType.LengthDelimited);
        output.WriteString(value);
        return output;
    }

    private static CodedOutputStream Field(CodedOutputStream output, int number, byte[] value)
    {
        output.WriteTag(number, WireFormat.WireType.LengthDelimited);
        output.WriteBytes(ByteString.CopyFrom(value));
        return output;
    }
}
