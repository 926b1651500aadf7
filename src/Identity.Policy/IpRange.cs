using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Identity.Policy;

/// <summary>
/// An IP address or a network in CIDR notation: <c>10.1.2.3</c>, <c>10.0.0.0/8</c>, <c>2001:db8::/32</c>. An IPv4 address mapped into IPv6
/// is that IPv4 address.
/// </summary>
public readonly record struct IpRange
{
    private readonly UInt128 _network;

    private IpRange(UInt128 network, int length, bool isV6) => (_network, Length, IsV6) = (network, length, isV6);

    /// <summary>Bits of the prefix: 32 or 128 for one address.</summary>
    public int Length { get; }

    public bool IsV6 { get; }

    public bool IsAddress => Length == Width;

    internal UInt128 Network => _network;

    private int Width => IsV6 ? 128 : 32;

    public static IpRange Parse(string text) => TryParse(text, out var value, out var problem) ? value : throw new FormatException(problem);

    public static bool TryParse(ReadOnlySpan<char> text, out IpRange value, [NotNullWhen(false)] out string? problem)
    {
        value = default;
        var slash = text.IndexOf('/');
        var addressText = slash < 0 ? text : text[..slash];
        if (!TryParseAddress(addressText, out var address, out problem)) return false;
        var isV6 = address.AddressFamily == AddressFamily.InterNetworkV6;
        var width = isV6 ? 128 : 32;
        var length = width;
        if (slash >= 0 && !TryParseLength(text[(slash + 1)..], out length))
        {
            problem = $"{Quoted.From(text)} has no valid prefix length; expected a network such as 10.0.0.0/8 or 2001:db8::/32";
            return false;
        }

        if (address.IsIPv4MappedToIPv6)
        {
            // ::ffff:0:0/96 is all of IPv4; anything shorter would mean both families at once.
            length -= 96;
            if (slash < 0) length = 32;
            address = address.MapToIPv4();
            (isV6, width) = (false, 32);
        }

        var bits = BitsOf(address);
        if (length < 0 || length > width)
        {
            problem = $"{Quoted.From(text)} has a prefix length outside 0 to {width}; expected a network such as {(width == 32 ? "10.0.0.0/8" : "2001:db8::/32")}";
            return false;
        }

        value = new IpRange(Masked(bits, length, width), length, isV6);
        if (value._network == bits) return true;
        problem = $"{Quoted.From(text)} has bits behind its prefix; the network is {value}";
        value = default;
        return false;
    }

    /// <summary>True when every address of the other one is in this one.</summary>
    public bool Covers(IpRange other) =>
        IsV6 == other.IsV6 && Length <= other.Length && Masked(other._network, Length, Width) == _network;

    /// <summary>True when some address is in both: one of two networks then covers the other.</summary>
    public bool Overlaps(IpRange other) => Covers(other) || other.Covers(this);

    public override string ToString() =>
        IsAddress ? Address().ToString() : string.Create(CultureInfo.InvariantCulture, $"{Address()}/{Length}");

    /// <summary>The network of this length around this address.</summary>
    internal IpRange Shortened(int length) => new(Masked(_network, length, Width), length, IsV6);

    private IPAddress Address()
    {
        Span<byte> bytes = stackalloc byte[16];
        BinaryPrimitives.WriteUInt128BigEndian(bytes, _network);
        return new IPAddress(IsV6 ? bytes : bytes[12..]);
    }

    private static UInt128 Masked(UInt128 bits, int length, int width) => length == 0 ? 0 : bits >> (width - length) << (width - length);

    private static UInt128 BitsOf(IPAddress address)
    {
        Span<byte> bytes = stackalloc byte[16];
        bytes.Clear();
        if (address.AddressFamily == AddressFamily.InterNetworkV6) address.TryWriteBytes(bytes, out _);
        else address.TryWriteBytes(bytes[12..], out _);
        return BinaryPrimitives.ReadUInt128BigEndian(bytes);
    }

    private static bool TryParseLength(ReadOnlySpan<char> text, out int length)
    {
        length = 0;
        return text.Length is > 0 and <= 3 && (text.Length == 1 || text[0] != '0')
            && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out length);
    }

    private static bool TryParseAddress(
        ReadOnlySpan<char> text, [NotNullWhen(true)] out IPAddress? address, [NotNullWhen(false)] out string? problem)
    {
        address = null;
        problem = text.Contains('%')
            ? $"{Quoted.From(text)} names a zone, which means something on one machine only; leave it out"
            // The base library also reads 127.1, 0x7f.1 and 010.0.0.1, which others read as other addresses.
            : !(text.Contains(':') || IsDottedDecimal(text)) || text.ContainsAny('[', ']') || !IPAddress.TryParse(text, out address)
                ? $"{Quoted.From(text)} is not an IP address; expected four decimal numbers such as 10.0.0.1, or IPv6 such as 2001:db8::1"
                : null;
        return problem is null;
    }

    internal static bool IsDottedDecimal(ReadOnlySpan<char> text)
    {
        var numbers = 0;
        foreach (var range in text.Split('.'))
        {
            var number = text[range];
            if (number.Length is 0 or > 3 || number.IndexOfAnyExceptInRange('0', '9') >= 0 || (number.Length > 1 && number[0] == '0')) return false;
            numbers++;
        }

        return numbers == 4;
    }
}
