using System.Net;
using Spiffe.Net;

namespace Identity.Issuance;

/// <summary>What the control plane decided to certify. Names come from a registration entry, the key from a request whose possession was proven.</summary>
public sealed record X509SvidRequest(SpiffeId Id, SubjectPublicKey PublicKey)
{
    public IReadOnlyList<string> DnsNames { get; init; } = [];

    /// <summary>For servers that are dialled by address; empty for every workload.</summary>
    public IReadOnlyList<IPAddress> IpAddresses { get; init; } = [];

    /// <summary>Null means the profile's default; more than its maximum is cut, not refused.</summary>
    public TimeSpan? Lifetime { get; init; }

    /// <summary>Taken off the end of the lifetime so that SVIDs issued together do not expire together; at most a tenth of it counts.</summary>
    public TimeSpan Jitter { get; init; }
}
