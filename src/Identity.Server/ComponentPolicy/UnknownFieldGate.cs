using Google.Protobuf;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Status = Grpc.Core.Status;

namespace Identity.Server.ComponentPolicy;

/// <summary>
/// Refuses requests with fields that this server does not know, at any depth, as a document with unknown fields is refused. Protobuf would leave them out without a word, and a
/// permit without the condition that a newer client put on it grants more than its author wrote.
/// </summary>
internal sealed class UnknownFieldGate : Interceptor
{
    public override Task<TResponse> UnaryServerHandler<TRequest, TResponse>(
        TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
    {
        if (request is IMessage message && CountUnknownBytes(message) is > 0 and var bytes)
        {
            throw new RpcException(new Status(
                StatusCode.InvalidArgument,
                $"the request has {bytes} bytes of fields that this server does not know, and without them it might mean more than was written; nothing was done. Use a client of the server's version"));
        }

        return continuation(request, context);
    }

    /// <summary>Bytes, over all messages inside of one another, that belong to no field of theirs; with what frames them.</summary>
    public static int CountUnknownBytes(IMessage message) =>
        message.CalculateSize() - message.Descriptor.Parser.WithDiscardUnknownFields(true).ParseFrom(message.ToByteArray()).CalculateSize();
}
