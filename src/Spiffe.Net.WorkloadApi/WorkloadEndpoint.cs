using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Spiffe.Net.WorkloadApi;

/// <summary>
/// Where the SPIFFE Workload API listens: <c>unix:///absolute/path</c> or <c>tcp://ip:port</c>, and nothing else
/// (SPIFFE Workload Endpoint §4). Immutable.
/// </summary>
public sealed class WorkloadEndpoint
{
    /// <summary>The variable that names the endpoint where no other configuration does (§4).</summary>
    public const string EnvironmentVariable = "SPIFFE_ENDPOINT_SOCKET";

    // sockaddr_un of Linux holds 108 bytes, the last of which ends the path.
    private const int MaxSocketPathBytes = 107;

    private const string Expected = "expected unix:///absolute/path or tcp://ip:port";

    // RFC 3986 §2: printable ASCII without these.
    private static readonly SearchValues<char> UriCharacters = SearchValues.Create(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:/?#[]@!$&'()*+,;=%");

    private readonly string _text;

    private WorkloadEndpoint(string text, EndPoint address)
    {
        _text = text;
        Address = address;
    }

    /// <summary>What to connect to: a <see cref="UnixDomainSocketEndPoint"/> or an <see cref="IPEndPoint"/>.</summary>
    public EndPoint Address { get; }

    /// <summary>The endpoint that <see cref="EnvironmentVariable"/> names.</summary>
    /// <exception cref="FormatException">The variable is unset or not an endpoint; the message says which.</exception>
    public static WorkloadEndpoint FromEnvironment() =>
        TryParse(Environment.GetEnvironmentVariable(EnvironmentVariable), out var endpoint, out var problem)
            ? endpoint
            : throw new FormatException($"{EnvironmentVariable}: {problem}");

    /// <summary>For constants and tests.</summary>
    /// <exception cref="FormatException">The text is not an endpoint.</exception>
    public static WorkloadEndpoint Parse(string text) =>
        TryParse(text, out var endpoint, out var problem) ? endpoint : throw new FormatException(problem);

    /// <summary>Reads an endpoint address.</summary>
    /// <param name="text">A URI (RFC 3986); the scheme may be in either case, as in every URI.</param>
    /// <param name="endpoint">The endpoint, when the result is true.</param>
    /// <param name="problem">What is wrong with the text, when the result is false.</param>
    public static bool TryParse(
        string? text, [NotNullWhen(true)] out WorkloadEndpoint? endpoint, [NotNullWhen(false)] out string? problem)
    {
        endpoint = null;
        if (string.IsNullOrEmpty(text))
        {
            problem = $"the Workload API endpoint is not set; {Expected}";
            return false;
        }

        // Written out by hand: System.Uri repairs what the specification refuses (backslashes, dot segments, names for IP addresses).
        EndPoint? address = null;
        var colon = text.IndexOf(':', StringComparison.Ordinal);
        var rest = colon < 0 ? "" : text[(colon + 1)..];
        problem = FindCharacterProblem(text) ?? (colon < 0 ? "" : text[..colon].ToLowerInvariant()) switch
        {
            "unix" => FindUnixProblem(rest, out address),
            "tcp" => FindTcpProblem(rest, out address),
            _ => "its scheme is neither unix nor tcp",
        };
        if (problem is not null)
        {
            problem = $"the Workload API endpoint {Printable(text)} is not usable: {problem}; {Expected}";
            return false;
        }

        endpoint = new WorkloadEndpoint(text, address!);
        return true;
    }

    /// <summary>The text it was read from.</summary>
    public override string ToString() => _text;

    private static string? FindCharacterProblem(string text)
    {
        if (text.Contains('?', StringComparison.Ordinal)) return "it has a query";
        if (text.Contains('#', StringComparison.Ordinal)) return "it has a fragment";
        return text.AsSpan().ContainsAnyExcept(UriCharacters) ? "it has a character that a URI may hold only percent-encoded" : null;
    }

    private static string? FindUnixProblem(string rest, out EndPoint? address)
    {
        address = null;
        if (rest.StartsWith("//", StringComparison.Ordinal))
        {
            if (!rest.StartsWith("///", StringComparison.Ordinal)) return "a unix endpoint has no authority, so three slashes follow the scheme";
            rest = rest[2..];
        }

        if (rest is not ['/', _, ..]) return "a unix endpoint needs an absolute path";
        if (!TryDecodePercent(rest, out var path)) return "its path has a '%' that two hexadecimal digits do not follow, or does not decode to text";
        var bytes = Encoding.UTF8.GetByteCount(path);
        if (bytes > MaxSocketPathBytes) return $"its path has {bytes} bytes; a Unix socket's has at most {MaxSocketPathBytes}";
        address = new UnixDomainSocketEndPoint(path);
        return null;
    }

    private static string? FindTcpProblem(string rest, out EndPoint? address)
    {
        address = null;
        if (!rest.StartsWith("//", StringComparison.Ordinal)) return "a tcp endpoint needs an IP address and a port";
        var authority = rest[2..];
        if (authority.Contains('/', StringComparison.Ordinal)) return "a tcp endpoint has no path";
        if (authority.Contains('@', StringComparison.Ordinal)) return "a tcp endpoint has no user";

        var colon = authority.LastIndexOf(':');
        if (colon < 0 || authority.EndsWith(']')) return "a tcp endpoint needs a port";
        if (!ushort.TryParse(authority.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port) || port == 0)
            return "its port is not a number from 1 to 65535";

        var host = authority[..colon];
        var isBracketed = host is ['[', .., ']'];
        var literal = isBracketed ? host[1..^1] : host;
        if (!IPAddress.TryParse(literal, out var ip)) return "its host is not an IP address";
        var isCanonical = ip.AddressFamily is AddressFamily.InterNetworkV6 ? isBracketed : !isBracketed && ip.ToString() == literal;
        if (!isCanonical) return "its host is not an IP address as URIs write them: 127.0.0.1 or [::1]";
        address = new IPEndPoint(ip, port);
        return null;
    }

    private static bool TryDecodePercent(string encoded, out string decoded)
    {
        decoded = "";
        var bytes = new byte[encoded.Length];
        var length = 0;
        for (var i = 0; i < encoded.Length; i++)
        {
            if (encoded[i] != '%')
            {
                bytes[length++] = (byte)encoded[i];
                continue;
            }

            if (i + 2 >= encoded.Length || !byte.TryParse(encoded.AsSpan(i + 1, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value) || value == 0)
                return false;
            bytes[length++] = value;
            i += 2;
        }

        try
        {
            decoded = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(bytes, 0, length);
            return true;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }

    private static string Printable(string text)
    {
        var shown = text.Length > 128 ? text[..128] + "…" : text;
        return $"\"{string.Concat(shown.Select(c => c is >= ' ' and <= '~' or '…' ? c : '?'))}\"";
    }
}
