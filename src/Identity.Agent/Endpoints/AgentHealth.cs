using Identity.Agent.ControlPlane;
using Identity.Agent.NodeEnrollment;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Identity.Agent.Endpoints;

/// <summary>Healthy while the agent can answer: it has an SVID of its own that is good, and a view to decide with. A server that is away is no illness.</summary>
internal sealed class AgentHealth(NodeIdentity identity, ViewHolder views, TimeProvider time) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(views.Current is null ? HealthCheckResult.Unhealthy("the server has told nothing yet")
            : time.GetUtcNow() >= identity.Current.NotAfter ? HealthCheckResult.Unhealthy("this node's SVID has expired")
            : HealthCheckResult.Healthy());
}
