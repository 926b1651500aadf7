using Microsoft.AspNetCore.Http.Features;

namespace Identity.Server.Endpoints;

/// <summary>
/// How much a caller may send before it is known to be anyone. A unary request is read whole before the gate hears of the call, so the
/// bound is set on the way in; gRPC lifts it for streams, so the gate sets it again.
/// </summary>
internal static class StrangerBounds
{
    /// <summary>All requests of a call together: a join token and a CSR, or a service-account token's CSR, many times over.</summary>
    public const long MaxRequestBytes = 64 * 1024;

    /// <summary>How long a call may last.</summary>
    public static TimeSpan Patience => CallDeadline.Patience;

    /// <summary>Whether these bounds are its caller's.</summary>
    public static bool AreOf(Caller caller) => caller is Caller.Anonymous or Caller.MeshClient;

    public static void Apply(HttpContext call, Caller caller)
    {
        if (AreOf(caller)
            && call.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } body)
        {
            body.MaxRequestBodySize = MaxRequestBytes;
        }
    }
}
