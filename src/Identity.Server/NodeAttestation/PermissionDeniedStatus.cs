using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Spire.Api.Types;
using Status = Grpc.Core.Status;

namespace Identity.Server.NodeAttestation;

/// <summary>PermissionDenied with SPIRE's machine-readable reason, on which SPIRE's agent acts.</summary>
internal static class PermissionDeniedStatus
{
    // google.rpc.Status carries the details of a gRPC status: code = 1, message = 2, details = 3 (Any).
    private const string Trailer = "grpc-status-details-bin";

    public static RpcException From(string message, PermissionDeniedDetails.Types.Reason reason)
    {
        var details = Any.Pack(new PermissionDeniedDetails { Reason = reason });
        return new RpcException(
            new Status(StatusCode.PermissionDenied, message),
            new Metadata { { Trailer, RpcStatus((int)StatusCode.PermissionDenied, message, details) } });
    }

    private static byte[] RpcStatus(int code, string message, Any details)
    {
        using var buffer = new MemoryStream();
        using (var output = new CodedOutputStream(buffer, leaveOpen: true))
        {
            output.WriteTag(1, WireFormat.WireType.Varint);
            output.WriteInt32(code);
            output.WriteTag(2, WireFormat.WireType.LengthDelimited);
            output.WriteString(message);
            output.WriteTag(3, WireFormat.WireType.LengthDelimited);
            output.WriteMessage(details);
        }

        return buffer.ToArray();
    }
}
