using System.Net.Sockets;
using Grpc.Core;

namespace Spiffe.Net.WorkloadApi;

/// <summary>Why a call did not get through to a Workload API, in words for whoever has to mend it.</summary>
internal static class EndpointTrouble
{
    // RFC 9113 §7, of ours: what came was no HTTP/2.
    private const int ProtocolError = 1;
    private const int FrameSizeError = 6;

    private const string NoHandshake = "is reachable but closed the connection at once, or speaks another protocol; expected gRPC, which is HTTP/2, without TLS";

    /// <summary>Completes "the Workload API at …"; null when the endpoint itself has answered.</summary>
    /// <param name="isFile">Whether the endpoint is a socket in the file system.</param>
    public static string? Find(RpcException e, bool isFile)
    {
        // gRPC keeps here what went wrong on this side; what a server says has none.
        var causes = new List<Exception>();
        for (var cause = e.Status.DebugException; cause is not null; cause = cause.InnerException) causes.Add(cause);

        // The first of all is the innermost.
        foreach (var cause in Enumerable.Reverse(causes))
        {
            switch (cause)
            {
                case SocketException { SocketErrorCode: SocketError.AddressNotAvailable } when isFile:
                    // What .NET makes of ENOENT.
                    return "is not reachable: there is no such socket";
                case SocketException { SocketErrorCode: SocketError.AccessDenied }:
                    return "is not reachable: this process may not open the socket (permission denied)";
                case SocketException { SocketErrorCode: SocketError.ConnectionRefused }:
                    return "is not reachable: nobody listens there (connection refused)";
                case SocketException { SocketErrorCode: var error }:
                    return $"is not reachable: the connection failed ({error})";
                case HttpProtocolException { ErrorCode: ProtocolError or FrameSizeError }:
                case HttpRequestException { HttpRequestError: HttpRequestError.InvalidResponse or HttpRequestError.VersionNegotiationError }:
                case HttpIOException { HttpRequestError: HttpRequestError.InvalidResponse }:
                    return NoHandshake;
                case HttpIOException { HttpRequestError: HttpRequestError.ResponseEnded }:
                    return causes.Exists(outer => outer is HttpIOException { HttpRequestError: HttpRequestError.InvalidResponse }) ? NoHandshake : "closed the connection";
                case TaskCanceledException or TimeoutException:
                    return "is not reachable: it took too long to connect";
                default:
                    break;
            }
        }

        // Of a connection that is over before it gets into its pool .NET tells no cause.
        return (e.StatusCode, causes) switch
        {
            (StatusCode.Internal, [HttpRequestException]) => NoHandshake,
            (StatusCode.Unavailable, [_, ..]) => "is not reachable, or not ready",
            _ => null,
        };
    }
}
