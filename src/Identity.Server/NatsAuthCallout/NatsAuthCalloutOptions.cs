using Identity.Server.Endpoints;
using Spiffe.Net;

namespace Identity.Server.NatsAuthCallout;

internal sealed class NatsAuthCalloutOptions
{
    /// <summary>The nats-server to serve; default tls://127.0.0.1:4222.</summary>
    public Uri Url { get; set; } = new("tls://127.0.0.1:4222");

    public required TrustDomain TrustDomain { get; set; }

    /// <summary>Where the callout's keys are kept: <c>&lt;data&gt;/nats</c>.</summary>
    public required string Folder { get; set; }

    /// <summary>The longest session of a login, however long its SVID and grant last; default one hour.</summary>
    public TimeSpan MaxSession { get; set; } = TimeSpan.FromHours(1);

    /// <summary>Logins answered at once; default 16. They wait for the disk together, not for each other.</summary>
    public int Workers { get; set; } = 16;

    /// <summary>Logins that may wait; beyond it the oldest is forgotten, whose server has most likely given up. Default 1024.</summary>
    public int MaxWaiting { get; set; } = 1024;

    public static NatsAuthCalloutOptions From(ServerOptions server) => new()
    {
        Url = server.NatsUrl,
        TrustDomain = server.TrustDomain,
        Folder = Path.Combine(server.DataDir, "nats"),
    };
}
