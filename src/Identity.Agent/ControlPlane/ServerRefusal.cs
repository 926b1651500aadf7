using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Spire.Api.Types;

namespace Identity.Agent.ControlPlane;

/// <summary>Why the server refuses a node, in SPIRE's words for machines: a <c>google.rpc.Status</c> in the trailers, with a <see cref="PermissionDeniedDetails"/>.</summary>
internal static class ServerRefusal
{
    private const string Trailer = "grpc-status-details-bin";

    // google.rpc.Status: code = 1, message = 2, details = 3 (Any).
    private const int Details = 3;

    /// <summary>Unknown where none is told, or none that we know.</summary>
    public static PermissionDeniedDetails.Types.Reason ReasonOf(Metadata trailers)
    {
        if (trailers.FirstOrDefault(trailer => trailer.Key == Trailer) is not { IsBinary: true } told) return PermissionDeniedDetails.Types.Reason.Unknown;
        try
        {
            using var input = new CodedInputStream(told.ValueBytes);
            while (input.ReadTag() is var tag and not 0)
            {
                if (WireFormat.GetTagFieldNumber(tag) != Details)
                {
                    input.SkipLastField();
                    continue;
                }

                if (Any.Parser.ParseFrom(input.ReadBytes()).TryUnpack<PermissionDeniedDetails>(out var details)) return details.Reason;
            }
        }
        catch (InvalidProtocolBufferException)
        {
            // As good as nothing.
        }

        return PermissionDeniedDetails.Types.Reason.Unknown;
    }
}
