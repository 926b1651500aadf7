using System.Net;
using System.Net.Sockets;

namespace Identity.Server.NodeAttestation;

/// <summary>
/// How often one address may try to attest: 60 times at once, then once a second (SPIRE allows one a second). IPv6 neighbours in a /64
/// count as one, for one machine can have all of those addresses.
/// </summary>
internal sealed class AttestationThrottle(TimeProvider time)
{
    public const int Burst = 60;
    public const int MaxAddresses = 65_536;

    // Whoever fills the table from many addresses keeps newcomers out for at most a minute, and memory bounded.
    private readonly TokenBuckets<IPAddress> _buckets = new(time, Burst, TimeSpan.FromSeconds(1), MaxAddresses);

    public bool TryEnter(IPAddress? remote) => _buckets.TryTake(Group(remote ?? IPAddress.None));

    private static IPAddress Group(IPAddress address)
    {
        if (address.IsIPv4MappedToIPv6) return address.MapToIPv4();
        if (address.AddressFamily != AddressFamily.InterNetworkV6) return address;
        var bytes = address.GetAddressBytes();
        bytes.AsSpan(8).Clear();
        return new IPAddress(bytes);
    }
}
