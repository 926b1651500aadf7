using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Identity.Server.Telemetry;

/// <summary>What this process measures and traces. No label holds a SPIFFE ID, a token or a key.</summary>
internal static class ServerTelemetry
{
    public const string Name = "Identity.Server";

    public static readonly ActivitySource Activities = new(Name);

    public static readonly Meter Meter = new(Name);

    public static readonly Histogram<double> LedgerCommitSeconds =
        Meter.CreateHistogram<double>("identity.ledger.commit.duration", "s", "Time of one group commit, its fsync included.");

    public static readonly Histogram<int> LedgerCommitWrites =
        Meter.CreateHistogram<int>("identity.ledger.commit.writes", "{write}", "Writes that shared one commit.");

    public static readonly Counter<long> Issued =
        Meter.CreateCounter<long>("identity.issued", "{credential}", "Credentials signed, by kind.");
}
