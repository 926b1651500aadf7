namespace Identity.Agent.Endpoints;

/// <summary>Which of the agent's sockets a call came in by. Absent: neither, so nothing may be called.</summary>
internal enum AgentEndpoint
{
    None = 0,
    Workload,
    Broker,
}

/// <summary>Set on each connection by the socket that accepted it.</summary>
internal sealed record EndpointFeature(AgentEndpoint Endpoint);
