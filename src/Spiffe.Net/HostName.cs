using System.Buffers;
using System.Diagnostics.CodeAnalysis;

namespace Spiffe.Net;

/// <summary>Host names as name constraints see them (RFC 5280 §4.2.1.10): without regard to ASCII case, label by label.</summary>
internal static class HostName
{
    // With the underscore, which SPIFFE-ID §2.1 allows in a trust domain.
    private static readonly SearchValues<char> Characters = SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");

    /// <summary>Finds the host of a URI; false when there is none or it is not a domain name, so that no constraint can be applied to it.</summary>
    public static bool TryFromUri(string uri, [NotNullWhen(true)] out string? host)
    {
        host = null;
        var start = uri.IndexOf("://", StringComparison.Ordinal);
        if (start <= 0) return false;
        var authority = uri.AsSpan(start + 3);
        var end = authority.IndexOfAny("/?#\\");
        if (end >= 0) authority = authority[..end];
        authority = authority[(authority.LastIndexOf('@') + 1)..];
        var port = authority.LastIndexOf(':');
        if (port >= 0) authority = authority[..port];
        if (!IsDomain(authority)) return false;
        host = authority.ToString();
        return true;
    }

    /// <summary>True for a domain name, its first label possibly an asterisk.</summary>
    public static bool IsDnsName(string name) => IsDomain(name.StartsWith("*.", StringComparison.Ordinal) ? name.AsSpan(2) : name);

    /// <summary>True for a host, or for a period and the domain it must lie in.</summary>
    public static bool IsUriConstraint(string constraint) => IsDomain(constraint.StartsWith('.') ? constraint.AsSpan(1) : constraint);

    /// <summary>True for a domain name, for one after a period, as many write it, and for nothing at all, which every name lies in.</summary>
    public static bool IsDnsConstraint(string constraint) => constraint.Length == 0 || IsUriConstraint(constraint);

    /// <summary>A constraint without a leading period is one host; with it, whatever has more labels before it.</summary>
    public static bool MatchesUriConstraint(string host, string constraint) =>
        constraint.StartsWith('.') ? host.EndsWith(constraint, StringComparison.OrdinalIgnoreCase) : host.Equals(constraint, StringComparison.OrdinalIgnoreCase);

    /// <param name="isExcluded">A wildcard is excluded when any name it stands for is.</param>
    public static bool MatchesDnsConstraint(string name, string constraint, bool isExcluded)
    {
        if (constraint.Length == 0) return true;
        var isWildcard = name.StartsWith("*.", StringComparison.Ordinal);
        if (isExcluded && isWildcard && IsSameOrBelow(constraint.TrimStart('.'), name[2..])) return true;
        return constraint.StartsWith('.')
            ? name.EndsWith(constraint, StringComparison.OrdinalIgnoreCase)
            : IsSameOrBelow(name, constraint);
    }

    private static bool IsSameOrBelow(string name, string domain) =>
        name.EndsWith(domain, StringComparison.OrdinalIgnoreCase) && (name.Length == domain.Length || name[^(domain.Length + 1)] == '.');

    // A last label of digits is an IPv4 address or nothing: no name in the DNS ends so.
    private static bool IsDomain(ReadOnlySpan<char> text)
    {
        if (text.Length is 0 or > 255 || text.ContainsAnyExcept(Characters)) return false;
        if (text[0] == '.' || text[^1] == '.' || text.Contains("..", StringComparison.Ordinal)) return false;
        return text[(text.LastIndexOf('.') + 1)..].ContainsAnyExceptInRange('0', '9');
    }
}
