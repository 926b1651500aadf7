using System.Net.Sockets;
using Spiffe.Net;

namespace Identity.Issuance;

/// <summary>What may be asked of an authority at all.</summary>
internal static class X509SvidRequestCheck
{
    public const int MaxNames = 32;

    public static string? FindProblem(X509SvidRequest request, TrustDomain trustDomain)
    {
        if (!request.Id.IsMemberOf(trustDomain)) return $"{request.Id} is not in the trust domain {trustDomain}, which this authority signs for";
        if (!request.Id.HasPath) return $"{request.Id} has no path; it names a trust domain, not a workload";
        if (request.PublicKey.Kind is not (PublicKeyKind.EcP256 or PublicKeyKind.EcP384 or PublicKeyKind.Rsa))
            return $"the public key is {request.PublicKey.Kind}; expected P-256, P-384 or RSA";
        if (request.DnsNames.Count + request.IpAddresses.Count > MaxNames) return $"more than {MaxNames} DNS names and addresses were asked for";
        foreach (var name in request.DnsNames)
        {
            if (!DnsName.IsValid(name)) return $"{Quoted.From(name)} is not a DNS name";
        }

        foreach (var address in request.IpAddresses)
        {
            if (address.AddressFamily is not (AddressFamily.InterNetwork or AddressFamily.InterNetworkV6)) return "an IP address is neither IPv4 nor IPv6";
        }

        return null;
    }
}
