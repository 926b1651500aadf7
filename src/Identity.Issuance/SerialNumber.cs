using System.Security.Cryptography;

namespace Identity.Issuance;

/// <summary>
/// Serial numbers of 16 random bytes (126 bits of chance): always positive and of one length, so that DER never shortens them. In hexadecimal they are the IDs of tokens as well.
/// </summary>
internal sealed class SerialNumber
{
    public const int Length = 16;

    // Asking the generator costs the same for 16 bytes as for 512. Serial numbers are public, so drawing them beforehand gives nothing away.
    private const int Ahead = 32;

    private readonly Lock _lock = new();
    private readonly byte[] _drawn = new byte[Ahead * Length];
    private int _used = Ahead;

    /// <summary>One, of the rare kind.</summary>
    public static byte[] Draw() => Shape(RandomNumberGenerator.GetBytes(Length));

    /// <summary>The next of those drawn ahead; none is given out twice.</summary>
    public byte[] Next()
    {
        lock (_lock)
        {
            if (_used == Ahead)
            {
                RandomNumberGenerator.Fill(_drawn);
                _used = 0;
            }

            return Shape(_drawn.AsSpan(Length * _used++, Length).ToArray());
        }
    }

    private static byte[] Shape(byte[] serial)
    {
        serial[0] = (byte)((serial[0] & 0x7F) | 0x40);
        return serial;
    }
}
