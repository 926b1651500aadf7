namespace Identity.Tests.SpiffeNet;

/// <summary>Numbers that look random and repeat with their seed (PCG XSH-RR 64/32), so that a failing round can be run again.</summary>
internal sealed class Pcg(ulong seed)
{
    private ulong _state = (seed * 6364136223846793005UL) + 1442695040888963407UL;

    public int Next(int below)
    {
        var old = _state;
        _state = (old * 6364136223846793005UL) + 1442695040888963407UL;
        var shifted = (uint)(((old >> 18) ^ old) >> 27);
        return (int)(uint.RotateRight(shifted, (int)(old >> 59)) % (uint)below);
    }

    public bool Chance(int percent) => Next(100) < percent;

    public T Pick<T>(IReadOnlyList<T> from) => from[Next(from.Count)];
}
