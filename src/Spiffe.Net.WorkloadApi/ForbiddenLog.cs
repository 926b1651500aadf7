using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Spiffe.Net.WorkloadApi;

/// <summary>What a 403 does not tell the caller, for the log: who it was, and who may. Never a token.</summary>
internal static partial class ForbiddenLog
{
    /// <param name="caller">Null where the scheme does not know it; others tell of it then.</param>
    public static async Task WriteAsync(ILogger logger, HttpContext context, SpiffeId? caller)
    {
        if (caller is null || !logger.IsEnabled(LogLevel.Information)) return;
        var path = WorkloadApiException.Quote($"{context.Request.PathBase}{context.Request.Path}");
        var expected = await ExpectedAsync(context).ConfigureAwait(false);
        LogForbidden(logger, caller, path, expected);
    }

    private static async Task<string> ExpectedAsync(HttpContext context)
    {
        if (context.GetEndpoint()?.Metadata is { } metadata && context.RequestServices.GetService<IAuthorizationPolicyProvider>() is { } policies)
        {
            var policy = await AuthorizationPolicy.CombineAsync(
                policies, metadata.GetOrderedMetadata<IAuthorizeData>(), metadata.GetOrderedMetadata<AuthorizationPolicy>()).ConfigureAwait(false);
            var peers = policy?.Requirements.OfType<SpiffeAuthorization.Requirement>().Select(requirement => requirement.Peers.ToString()).ToArray() ?? [];
            if (peers.Length > 0) return string.Join(", and ", peers);
        }

        return "what the endpoint's policy asks for";
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Forbidden: {SpiffeId} asked for {Path}; expected {Expected}")]
    private static partial void LogForbidden(ILogger logger, SpiffeId spiffeId, string path, string expected);
}
