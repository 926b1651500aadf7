using System.Buffers.Binary;
using System.Security.Cryptography;

namespace NATS.NKeys;

/// <summary>
/// The text form of NATS keys: prefix, 32 key bytes and a CRC-16, in base32. Decoding is strict: one key has one text.
/// A problem never quotes the text, which may be a seed.
/// </summary>
public static class NKey
{
    public const int KeyBytes = 32;
    public const int PublicKeyLength = 56;
    public const int SeedLength = 58;

    // A seed's first five bits; its type follows in the next eight, across the first two bytes.
    private const byte SeedPrefix = 18 << 3;

    public static string EncodePublicKey(NKeyPrefix prefix, ReadOnlySpan<byte> publicKey)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(publicKey.Length, KeyBytes);
        Span<byte> bytes = stackalloc byte[1 + KeyBytes + 2];
        bytes[0] = (byte)prefix;
        publicKey.CopyTo(bytes[1..]);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes[^2..], Crc16(bytes[..^2]));
        Span<char> text = stackalloc char[PublicKeyLength];
        Base32.Encode(bytes, text);
        return new string(text);
    }

    public static bool TryDecodePublicKey(ReadOnlySpan<char> text, out NKeyPrefix prefix, Span<byte> publicKey, out string problem)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(publicKey.Length, KeyBytes);
        prefix = default;
        Span<byte> bytes = stackalloc byte[1 + KeyBytes + 2];
        if (!TryDecode(text, bytes, "public key", out problem))
            return false;

        prefix = (NKeyPrefix)bytes[0];
        if (!Enum.IsDefined(prefix))
            return Fail("the first letter of a public key must be one of A, C, N, O, U, X", out problem);

        bytes[1..^2].CopyTo(publicKey);
        return true;
    }

    /// <summary>True when the text is a well-formed public key of this type.</summary>
    public static bool IsPublicKey(ReadOnlySpan<char> text, NKeyPrefix expected)
    {
        Span<byte> ignored = stackalloc byte[KeyBytes];
        return TryDecodePublicKey(text, out var prefix, ignored, out _) && prefix == expected;
    }

    internal static string EncodeSeed(NKeyPrefix prefix, ReadOnlySpan<byte> seed)
    {
        Span<byte> bytes = stackalloc byte[2 + KeyBytes + 2];
        Span<char> text = stackalloc char[SeedLength];
        try
        {
            bytes[0] = (byte)(SeedPrefix | ((byte)prefix >> 5));
            bytes[1] = (byte)(((byte)prefix & 31) << 3);
            seed.CopyTo(bytes[2..]);
            BinaryPrimitives.WriteUInt16LittleEndian(bytes[^2..], Crc16(bytes[..^2]));
            Base32.Encode(bytes, text);
            return new string(text);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(bytes);
            text.Clear();
        }
    }

    internal static bool TryDecodeSeed(ReadOnlySpan<char> text, out NKeyPrefix prefix, Span<byte> seed, out string problem)
    {
        prefix = default;
        Span<byte> bytes = stackalloc byte[2 + KeyBytes + 2];
        try
        {
            if (!TryDecode(text, bytes, "seed", out problem))
                return false;

            prefix = (NKeyPrefix)(((bytes[0] & 7) << 5) | (bytes[1] >> 3));
            if ((bytes[0] & 0xf8) != SeedPrefix || (bytes[1] & 7) != 0 || !Enum.IsDefined(prefix))
                return Fail("a seed must begin with SA, SC, SN, SO, SU or SX", out problem);

            bytes[2..^2].CopyTo(seed);
            return true;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(bytes);
        }
    }

    private static bool TryDecode(ReadOnlySpan<char> text, Span<byte> bytes, string what, out string problem)
    {
        var expected = Base32.EncodedLength(bytes.Length);
        if (text.Length != expected)
            return Fail($"a {what} has {expected} characters, this has {text.Length}", out problem);
        if (!Base32.TryDecode(text, bytes))
            return Fail($"a {what} is base32 in upper case without padding", out problem);
        if (BinaryPrimitives.ReadUInt16LittleEndian(bytes[^2..]) != Crc16(bytes[..^2]))
            return Fail($"the checksum of the {what} is wrong: it was mistyped or cut", out problem);

        problem = "";
        return true;
    }

    private static bool Fail(string text, out string problem)
    {
        problem = text;
        return false;
    }

    // CRC-16/XMODEM: polynomial 0x1021, initial value 0.
    private static ushort Crc16(ReadOnlySpan<byte> bytes)
    {
        ushort crc = 0;
        foreach (var value in bytes)
        {
            crc ^= (ushort)(value << 8);
            for (var bit = 0; bit < 8; bit++)
                crc = (ushort)((crc & 0x8000) != 0 ? (crc << 1) ^ 0x1021 : crc << 1);
        }

        return crc;
    }
}
