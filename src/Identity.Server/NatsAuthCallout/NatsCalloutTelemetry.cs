using System.Diagnostics.Metrics;
using Identity.Server.Telemetry;

namespace Identity.Server.NatsAuthCallout;

internal static class NatsCalloutTelemetry
{
    private static readonly Meter Meter = ServerTelemetry.Meter;

    /// <summary>Labels: outcome (admitted, refused, ignored) and cause, both from small closed lists.</summary>
    public static readonly Counter<long> Logins = Meter.CreateCounter<long>("identity.nats.logins", "{login}", "Authorization requests of nats-server, by outcome.");

    public static readonly Histogram<double> Duration = Meter.CreateHistogram<double>("identity.nats.login.duration", "s", "From a request's arrival to its answer.");

    public static readonly Counter<long> Kicked = Meter.CreateCounter<long>("identity.nats.kicked", "{connection}", "Connections ended because what they rested on ended.");

    public static void Count(string outcome, LoginRefusal cause = LoginRefusal.Unspecified) =>
        Logins.Add(1, new KeyValuePair<string, object?>("outcome", outcome), new KeyValuePair<string, object?>("cause", cause.ToString()));
}
