namespace Identity.Policy.Tests.Analysis.Boards;

/// <summary>Random numbers for one case (SplitMix64): every case can be had again from the seed and its number alone.</summary>
internal sealed class Draw
{
    private ulong _state;

    public Draw For(ulong seed, long number)
    {
        _state = seed * 0x9E37_79B9_7F4A_7C15 ^ (ulong)number << 20;
        Next();
        return this;
    }

    /// <summary>From 0, less than <paramref name="below"/>.</summary>
    public int Of(int below) => (int)((Next() >> 32) * (ulong)below >> 32);

    public bool OneIn(int often) => Of(often) == 0;

    private ulong Next()
    {
        var mixed = _state += 0x9E37_79B9_7F4A_7C15;
        mixed = (mixed ^ mixed >> 30) * 0xBF58_476D_1CE4_E5B9;
        mixed = (mixed ^ mixed >> 27) * 0x94D0_49BB_1331_11EB;
        return mixed ^ mixed >> 31;
    }
}
