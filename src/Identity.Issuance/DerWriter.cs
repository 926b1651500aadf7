using System.Net;
using System.Text;

namespace Identity.Issuance;

/// <summary>
/// Writes DER from the end to the front, so that every length is known when its header is written. For the hot path only; what is rare is
/// left to <see cref="System.Formats.Asn1.AsnWriter"/>. A buffer that is too small throws.
/// </summary>
internal ref struct DerWriter(Span<byte> buffer)
{
    public const byte Integer = 0x02;
    public const byte BitString = 0x03;
    public const byte OctetString = 0x04;
    public const byte UtcTime = 0x17;
    public const byte GeneralizedTime = 0x18;
    public const byte Sequence = 0x30;

    private readonly Span<byte> _buffer = buffer;
    private int _start = buffer.Length;

    /// <summary>Where the next byte will end; <see cref="Wrap"/> takes it.</summary>
    public readonly int Mark => _start;

    public readonly ReadOnlySpan<byte> Written => _buffer[_start..];

    public void Write(scoped ReadOnlySpan<byte> bytes)
    {
        _start -= bytes.Length;
        bytes.CopyTo(_buffer[_start..]);
    }

    public void Write(byte value) => _buffer[--_start] = value;

    /// <summary>Puts tag and length before everything written since the mark was taken.</summary>
    public void Wrap(byte tag, int mark)
    {
        var length = mark - _start;
        if (length < 0x80)
        {
            Write((byte)length);
        }
        else
        {
            var octets = 0;
            for (; length > 0; length >>= 8, octets++) Write((byte)length);
            Write((byte)(0x80 | octets));
        }

        Write(tag);
    }

    public void WriteValue(byte tag, scoped ReadOnlySpan<byte> content)
    {
        var mark = _start;
        Write(content);
        Wrap(tag, mark);
    }

    /// <summary>An INTEGER that is never negative, from its big-endian bytes (X.690 §8.3.2: no more of them than needed).</summary>
    public void WriteUnsigned(scoped ReadOnlySpan<byte> bigEndian)
    {
        var mark = _start;
        bigEndian = bigEndian.TrimStart((byte)0);
        Write(bigEndian);
        if (bigEndian.IsEmpty || bigEndian[0] >= 0x80) Write(0);
        Wrap(Integer, mark);
    }

    /// <param name="text">ASCII; the caller has checked.</param>
    public void WriteAscii(byte tag, string text)
    {
        var mark = _start;
        _start -= text.Length;
        Encoding.ASCII.GetBytes(text, _buffer.Slice(_start, text.Length));
        Wrap(tag, mark);
    }

    public void WriteAddress(byte tag, IPAddress address)
    {
        Span<byte> bytes = stackalloc byte[16];
        address.TryWriteBytes(bytes, out var written);
        WriteValue(tag, bytes[..written]);
    }

    /// <summary>RFC 5280 §4.1.2.5: UTCTime from 1950 through 2049, else GeneralizedTime; whole seconds, Zulu.</summary>
    public void WriteTime(DateTimeOffset time)
    {
        var mark = _start;
        var utc = time.UtcDateTime;
        Write((byte)'Z');
        WriteTwoDigits(utc.Second);
        WriteTwoDigits(utc.Minute);
        WriteTwoDigits(utc.Hour);
        WriteTwoDigits(utc.Day);
        WriteTwoDigits(utc.Month);
        WriteTwoDigits(utc.Year % 100);
        var isShort = utc.Year is >= 1950 and < 2050;
        if (!isShort) WriteTwoDigits(utc.Year / 100);
        Wrap(isShort ? UtcTime : GeneralizedTime, mark);
    }

    private void WriteTwoDigits(int value)
    {
        Write((byte)('0' + (value % 10)));
        Write((byte)('0' + (value / 10)));
    }
}
