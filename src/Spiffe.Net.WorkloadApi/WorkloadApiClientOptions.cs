using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Spiffe.Net.WorkloadApi;

/// <summary>How to reach the Workload API and how patiently.</summary>
public sealed class WorkloadApiClientOptions
{
    /// <summary>Where it listens; null takes the address from <c>SPIFFE_ENDPOINT_SOCKET</c>.</summary>
    public WorkloadEndpoint? Endpoint { get; init; }

    /// <summary>Wait after a failed attempt; it doubles with each further one in a row. A stream that worked and ended is reopened at once. Default 1 s.</summary>
    public TimeSpan RetryDelay { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>The longest wait between attempts. Default 30 s.</summary>
    public TimeSpan MaxRetryDelay { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// How long <see cref="X509Source"/> and <see cref="BundleSource"/> wait for their first answer before they give up and say why there is none;
    /// <see cref="Timeout.InfiniteTimeSpan"/> waits for good. Once they have it, they wait for a newer one as long as it takes. Default 30 s.
    /// </summary>
    public TimeSpan StartTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long one call that expects one answer may take. Default 10 s.</summary>
    public TimeSpan CallTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>The clock that SVIDs are checked against and waits are measured by.</summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    /// <summary>
    /// Receives what happens in the background: lost streams, discarded responses, refused TLS peers. Never keys or tokens. Without one, a Kestrel
    /// server tells its host's loggers of the clients it refuses, and the rest is told to nobody.
    /// </summary>
    public ILogger Logger { get; init; } = NullLogger.Instance;

    /// <summary>After how long a silence the other end of a TCP connection is asked whether it is there. gRPC servers may end a connection that asks more often than every 5 minutes.</summary>
    internal TimeSpan TcpPing { get; set; } = TimeSpan.FromMinutes(6);
}
