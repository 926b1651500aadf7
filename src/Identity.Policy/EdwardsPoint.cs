namespace Identity.Policy;

/// <summary>What can be said of the encoding of a point of edwards25519 without arithmetic on the curve (RFC 8032 §5.1.2).</summary>
internal static class EdwardsPoint
{
    // The y-coordinates of the eight points of small order, little-endian; the sign of x makes no difference.
    private static readonly byte[][] SmallOrder =
    [
        Convert.FromHexString("0000000000000000000000000000000000000000000000000000000000000000"),
        Convert.FromHexString("0100000000000000000000000000000000000000000000000000000000000000"),
        Convert.FromHexString("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
        Convert.FromHexString("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
        Convert.FromHexString("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
    ];

    /// <param name="key">32 bytes.</param>
    /// <returns>Null when it may be a public key; verifying a signature finds out whether it is one.</returns>
    public static string? WhyNoKey(ReadOnlySpan<byte> key)
    {
        Span<byte> y = stackalloc byte[SignerName.KeySize];
        key.CopyTo(y);
        y[^1] &= 0x7f;
        // 2^255 - 19 and what is above has a second spelling.
        if (y[^1] == 0x7f && y[1..^1].IndexOfAnyExcept((byte)0xff) < 0 && y[0] >= 0xed) return "its bytes are not the one encoding of a point";
        foreach (var point in SmallOrder)
        {
            // A signature that verifies under it can be made without any private key.
            if (y.SequenceEqual(point)) return "its bytes are a point of small order, for which anybody can sign";
        }

        return null;
    }
}
