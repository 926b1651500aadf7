using System.Buffers;
using System.Net;

namespace Identity.Issuance;

/// <summary>A name that a certificate may carry as a DNS name.</summary>
public static class DnsName
{
    private static readonly SearchValues<char> LabelCharacters =
        SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");

    /// <summary>
    /// RFC 1123 §2.1 with the underscore that service names use; no wildcard, no trailing dot, and nothing that reads as an address: also <c>1</c>, <c>127.1</c>
    /// and <c>0x1</c> do, to most resolvers.
    /// </summary>
    public static bool IsValid(string name)
    {
        if (name.Length is 0 or > 253 || IPAddress.TryParse(name, out _)) return false;
        foreach (var range in name.AsSpan().Split('.'))
        {
            var label = name.AsSpan(range);
            if (label.Length is 0 or > 63 || label[0] == '-' || label[^1] == '-' || label.IndexOfAnyExcept(LabelCharacters) >= 0) return false;
        }

        return true;
    }
}
