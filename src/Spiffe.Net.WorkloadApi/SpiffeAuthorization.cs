using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Builder;

namespace Spiffe.Net.WorkloadApi;

/// <summary>Authorization by SPIFFE ID, for callers that <see cref="SpiffeAuthentication"/> knows.</summary>
public static class SpiffeAuthorization
{
    /// <summary>Admits these and nobody else, least of all those without a SPIFFE ID.</summary>
    public static AuthorizationPolicyBuilder RequireSpiffeId(this AuthorizationPolicyBuilder policy, AuthorizedPeers peers) =>
        policy.AddRequirements(new Requirement(peers));

    /// <summary>As the other overload, for one endpoint or group.</summary>
    /// <param name="endpoint">What is asked for.</param>
    /// <param name="peers">Who may have it.</param>
    /// <param name="schemes">Which say who it is, such as <see cref="SpiffeAuthentication.X509Scheme"/>; where several know the caller, all must mean the same ID. None takes the default scheme.</param>
    public static TBuilder RequireSpiffeId<TBuilder>(this TBuilder endpoint, AuthorizedPeers peers, params string[] schemes)
        where TBuilder : IEndpointConventionBuilder => endpoint.RequireAuthorization(policy => policy.AddAuthenticationSchemes(schemes).RequireSpiffeId(peers));

    internal sealed class Requirement(AuthorizedPeers peers) : AuthorizationHandler<Requirement>, IAuthorizationRequirement
    {
        public AuthorizedPeers Peers => peers;

        public override string ToString() => $"SPIFFE ID: {peers}";

        protected override Task HandleRequirementAsync(AuthorizationHandlerContext context, Requirement requirement)
        {
            if (context.User.GetSpiffeId() is { } id && peers.Admits(id)) context.Succeed(requirement);
            return Task.CompletedTask;
        }
    }
}
