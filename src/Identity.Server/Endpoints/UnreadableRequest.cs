using System.Globalization;
using Grpc.Core;

namespace Identity.Server.Endpoints;

/// <summary>
/// Bytes that are no request of the method never reach a service: they fail before any interceptor, and gRPC for .NET answers UNKNOWN, as if the fault were the server's.
/// It is the caller's, and they are told so.
/// </summary>
internal static class UnreadableRequest
{
    private static readonly object Read = new();

    public static void WasRead(HttpContext call) => call.Items[Read] = Read;

    /// <summary>Once the call is over, and as long as nothing of the answer was sent.</summary>
    public static void Answer(HttpContext call)
    {
        var (headers, unknown) = (call.Response.Headers, ((int)StatusCode.Unknown).ToString(CultureInfo.InvariantCulture));
        if (call.Response.HasStarted || call.Items.ContainsKey(Read) || headers["grpc-status"] != unknown) return;
        headers["grpc-status"] = ((int)StatusCode.InvalidArgument).ToString(CultureInfo.InvariantCulture);
        headers["grpc-message"] = "the request is no message of this method";
    }
}
