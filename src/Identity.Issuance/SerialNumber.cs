using System.Security.Cryptography;

namespace Identity.Issuance;

/// <summary>Serial numbers of 16 random bytes (126 bits of chance): always positive and of one length, so that DER never shortens them.</summary>
internal static class SerialNumber
{
    public const int Length = 16;

    public static byte[] Draw()
    {
        var serial = RandomNumberGenerator.GetBytes(Length);
        serial[0] = (byte)((serial[0] & 0x7F) | 0x40);
        return serial;
    }
}
