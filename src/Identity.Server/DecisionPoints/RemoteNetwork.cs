using System.Net;
using System.Net.Sockets;

namespace Identity.Server.DecisionPoints;

/// <summary>Who somebody is that proves nothing: an IPv4 address, or the /64 of an IPv6 one, in which a host has as many addresses as it likes.</summary>
internal static class RemoteNetwork
{
    /// <summary>Never a SPIFFE ID. Those without an address are one.</summary>
    public static string Of(IPAddress? address)
    {
        if (address is null) return "unknown";
        if (address.IsIPv4MappedToIPv6) address = address.MapToIPv4();
        if (address.AddressFamily != AddressFamily.InterNetworkV6) return address.ToString();
        Span<byte> bytes = stackalloc byte[16];
        address.TryWriteBytes(bytes, out _);
        bytes[8..].Clear();
        return $"{new IPAddress(bytes)}/64";
    }
}
