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

    public static readonly Counter<long> SignatureFaults =
        Meter.CreateCounter<long>("identity.signature.faults", "{signature}", "Signatures refused because an authority key is at fault; any is an alarm.");

    private static readonly Counter<long> Issued =
        Meter.CreateCounter<long>("identity.issued", "{credential}", "Credentials signed, by kind.");

    public static void CountIssued(IssuanceRecord.Types.Kind kind) => Issued.Add(1, new KeyValuePair<string, object?>("kind", kind switch
    {
        IssuanceRecord.Types.Kind.X509Svid => "x509-svid",
        IssuanceRecord.Types.Kind.JwtSvid => "jwt-svid",
        IssuanceRecord.Types.Kind.MeshCertificate => "mesh-certificate",
        IssuanceRecord.Types.Kind.ServerCertificate => "server-certificate",
        IssuanceRecord.Types.Kind.NatsUserJwt => "nats-user-jwt",
        IssuanceRecord.Types.Kind.WitSvid => "wit-svid",
        _ => "other",
    }));
}
