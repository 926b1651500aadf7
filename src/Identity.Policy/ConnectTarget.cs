using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Identity.Policy;

public enum TransportProtocol
{
    Tcp = 0,
    Udp,
}

/// <summary>Ports, both ends included.</summary>
public readonly record struct PortRange(int First, int Last)
{
    public static PortRange Any { get; } = new(1, 65_535);

    public bool Covers(PortRange other) => First <= other.First && other.Last <= Last;

    public bool Overlaps(PortRange other) => First <= other.Last && other.First <= Last;

    /// <summary><c>443</c>, <c>8000-8100</c>, or <c>*</c> for every port.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out PortRange value, [NotNullWhen(false)] out string? problem)
    {
        value = Any;
        problem = null;
        if (text is "*") return true;
        var dash = text.IndexOf('-');
        if (!TryParsePort(dash < 0 ? text : text[..dash], out var first) || !TryParsePort(dash < 0 ? text : text[(dash + 1)..], out var last))
            problem = $"{Quoted.From(text)} is not a port; expected a number from 1 to 65535 such as 443, a range such as 8000-8100, or '*'";
        else if (first > last)
            problem = $"the ports {Quoted.From(text)} run backwards; expected {last}-{first}";
        else
            value = new PortRange(first, last);
        return problem is null;
    }

    public override string ToString() =>
        this == Any ? "*" : First == Last ? First.ToString(CultureInfo.InvariantCulture) : string.Create(CultureInfo.InvariantCulture, $"{First}-{Last}");

    private static bool TryParsePort(ReadOnlySpan<char> text, out int port)
    {
        port = 0;
        return text.Length is > 0 and <= 5 && text[0] != '0'
            && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out port) && port <= 65_535;
    }
}

/// <summary>
/// Where a connection leads: a name or addresses, ports, and a protocol: <c>api.example.com:443</c>, <c>10.0.0.0/8:5432</c>,
/// <c>[2001:db8::]/32:8000-8100</c>, <c>10.0.0.1:53/udp</c>. A name never means an address, nor an address a name: what a name resolves to
/// is not policy's to know.
/// </summary>
public sealed record ConnectTarget
{
    private ConnectTarget() { }

    /// <summary>Null when addresses are meant.</summary>
    public DnsPattern? Name { get; private init; }

    /// <summary>Null when a name is meant.</summary>
    public IpRange? Addresses { get; private init; }

    public PortRange Ports { get; private init; }

    public TransportProtocol Protocol { get; private init; }

    public static ConnectTarget Parse(string text) =>
        TryParse(text, out var value, out var problem) ? value : throw new FormatException(problem);

    /// <param name="text">With <c>/udp</c> behind it when that is meant, or <c>/tcp</c>.</param>
    public static bool TryParse(
        string? text, [NotNullWhen(true)] out ConnectTarget? value, [NotNullWhen(false)] out string? problem)
    {
        text ??= "";
        if (text.EndsWith("/udp", StringComparison.Ordinal)) return TryParse(text[..^4], TransportProtocol.Udp, out value, out problem);
        return TryParse(text.EndsWith("/tcp", StringComparison.Ordinal) ? text[..^4] : text, TransportProtocol.Tcp, out value, out problem);
    }

    public static bool TryParse(
        string? text, TransportProtocol protocol, [NotNullWhen(true)] out ConnectTarget? value, [NotNullWhen(false)] out string? problem)
    {
        value = null;
        var colon = text?.LastIndexOf(':') ?? -1;
        var host = colon < 0 ? "" : text![..colon];
        if (text is not null && text.Contains("://", StringComparison.Ordinal))
        {
            problem = $"{Quoted.From(text)} is a URL; expected a name or addresses and a port without a scheme or a path, such as api.example.com:443";
            return false;
        }

        // The last ':' of an IPv6 address without brackets is no port's.
        if (colon < 0 || (host.Contains(':', StringComparison.Ordinal) && !host.StartsWith('[')) || text!.EndsWith(']'))
        {
            problem = $"{Quoted.From(text)} names no port; expected a target such as api.example.com:443, 10.0.0.0/8:5432 or [2001:db8::]/32:443 ('*' for every port)";
            return false;
        }

        if (!PortRange.TryParse(text.AsSpan(colon + 1), out var ports, out problem)) return false;
        value = OfHost(host, ports, protocol, out problem);
        return value is not null;
    }

    /// <summary>One host and one port, as somebody asks for it: upper case and a last dot of a name say nothing.</summary>
    /// <param name="host">A name, or an address, in brackets or without.</param>
    public static bool TryCreate(
        string host, int port, TransportProtocol protocol, [NotNullWhen(true)] out ConnectTarget? value, [NotNullWhen(false)] out string? problem)
    {
        value = null;
        problem = $"{port} is not a port; expected 1 to 65535";
        if (port is < 1 or > 65_535) return false;
        var bare = host.StartsWith('[') && host.EndsWith(']') ? host[1..^1] : host;
        value = OfHost(bare.Contains(':', StringComparison.Ordinal) ? $"[{bare}]" : bare, new PortRange(port, port), protocol, out problem, asked: true);
        return value is not null;
    }

    /// <summary>True when everything that the other one means is also meant by this one.</summary>
    public bool Covers(ConnectTarget other) =>
        Protocol == other.Protocol && Ports.Covers(other.Ports)
        && (Name is not null
            ? other.Name is not null && Name.Covers(other.Name)
            : other.Addresses is { } theirs && Addresses!.Value.Covers(theirs));

    /// <summary>True when something is meant by both.</summary>
    public bool Overlaps(ConnectTarget other) =>
        Protocol == other.Protocol && Ports.Overlaps(other.Ports)
        && (Name is not null
            ? other.Name is not null && Name.Overlaps(other.Name)
            : other.Addresses is { } theirs && Addresses!.Value.Overlaps(theirs));

    /// <summary>Host and ports, without the protocol.</summary>
    public string HostAndPorts => Addresses is not { IsV6: true } v6 ? $"{Name?.Text ?? Addresses.ToString()}:{Ports}"
        : v6.ToString() is var text && text.IndexOf('/', StringComparison.Ordinal) is var slash and >= 0 ? $"[{text[..slash]}]{text[slash..]}:{Ports}"
        : $"[{text}]:{Ports}";

    public override string ToString() => Protocol == TransportProtocol.Udp ? HostAndPorts + "/udp" : HostAndPorts;

    private static ConnectTarget? OfHost(string host, PortRange ports, TransportProtocol protocol, out string? problem, bool asked = false)
    {
        var slash = host.IndexOf('/', StringComparison.Ordinal);
        var address = slash < 0 ? host : host[..slash];
        if (address.StartsWith('[') || slash >= 0 || IpRange.IsDottedDecimal(address))
        {
            if (address.StartsWith('[') && (!address.EndsWith(']') || !address.Contains(':', StringComparison.Ordinal)))
            {
                problem = $"{Quoted.From(host)} is not an IPv6 address in brackets; expected one such as [2001:db8::1] or [2001:db8::]/32";
                return null;
            }

            var text = address.StartsWith('[') ? address[1..^1] + (slash < 0 ? "" : host[slash..]) : host;
            return IpRange.TryParse(text, out var range, out problem) ? new ConnectTarget { Addresses = range, Ports = ports, Protocol = protocol } : null;
        }

        DnsPattern? name;
        var read = asked ? DnsPattern.TryParseRequested(host, out name, out problem) : DnsPattern.TryParse(host, out name, out problem);
        return read ? new ConnectTarget { Name = name, Ports = ports, Protocol = protocol } : null;
    }
}
