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

    private static readonly TimeSpan Refill = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();

    // By address: when the bucket will be full again. One number says all: tokens left = Burst - (full - now) / Refill.
    private readonly Dictionary<IPAddress, DateTimeOffset> _fullAt = [];

    public bool TryEnter(IPAddress? remote)
    {
        var address = Group(remote ?? IPAddress.None);
        var now = time.GetUtcNow();
        lock (_gate)
        {
            if (!_fullAt.TryGetValue(address, out var fullAt) || fullAt < now) fullAt = now;
            if (fullAt + Refill > now + (Refill * Burst)) return false;
            if (_fullAt.Count >= MaxAddresses && !_fullAt.ContainsKey(address) && !ForgetIdle(now)) return false;
            _fullAt[address] = fullAt + Refill;
            return true;
        }
    }

    // Whoever fills the table from many addresses keeps newcomers out for at most a minute, and memory bounded.
    private bool ForgetIdle(DateTimeOffset now)
    {
        foreach (var (address, fullAt) in _fullAt)
        {
            if (fullAt <= now) _fullAt.Remove(address);
        }

        return _fullAt.Count < MaxAddresses;
    }

    private static IPAddress Group(IPAddress address)
    {
        if (address.IsIPv4MappedToIPv6) return address.MapToIPv4();
        if (address.AddressFamily != AddressFamily.InterNetworkV6) return address;
        var bytes = address.GetAddressBytes();
        bytes.AsSpan(8).Clear();
        return new IPAddress(bytes);
    }
}
