namespace NATS.NKeys;

/// <summary>RFC 4648 §6 without padding, upper case only, and with exactly one text for each sequence of bytes.</summary>
internal static class Base32
{
    private const string Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

    public static int EncodedLength(int byteCount) => (byteCount * 8 + 4) / 5;

    public static void Encode(ReadOnlySpan<byte> bytes, Span<char> text)
    {
        uint buffer = 0;
        int bits = 0, at = 0;
        foreach (var value in bytes)
        {
            buffer = (buffer << 8) | value;
            bits += 8;
            for (; bits >= 5; bits -= 5)
                text[at++] = Alphabet[(int)(buffer >> (bits - 5)) & 31];
        }

        if (bits > 0)
            text[at] = Alphabet[(int)(buffer << (5 - bits)) & 31];
    }

    /// <summary>Fills <paramref name="bytes"/> exactly. False for a character outside the alphabet, a wrong length, or trailing bits that are not zero.</summary>
    public static bool TryDecode(ReadOnlySpan<char> text, Span<byte> bytes)
    {
        if (text.Length != EncodedLength(bytes.Length))
            return false;

        uint buffer = 0;
        int bits = 0, at = 0;
        foreach (var letter in text)
        {
            uint value;
            if (letter is >= 'A' and <= 'Z')
                value = (uint)(letter - 'A');
            else if (letter is >= '2' and <= '7')
                value = (uint)(letter - '2' + 26);
            else
                return false;

            buffer = (buffer << 5) | value;
            bits += 5;
            if (bits >= 8)
            {
                bits -= 8;
                bytes[at++] = (byte)(buffer >> bits);
            }
        }

        return (buffer & ((1u << bits) - 1)) == 0;
    }
}
