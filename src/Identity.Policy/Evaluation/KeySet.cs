namespace Identity.Policy.Evaluation;

/// <summary>The keys that were found for one decision, on the stack of whoever decides.</summary>
internal ref struct KeySet(Span<int> room)
{
    /// <summary>More than this many nested prefixes about one caller are an odd policy; the decision is then made without the index.</summary>
    public const int Room = 64;

    private readonly Span<int> _room = room;
    private int _count;

    /// <summary>True when there was no room for all: what was found must not be used.</summary>
    public bool IsTooSmall { get; private set; }

    public readonly ReadOnlySpan<int> Keys => _room[.._count];

    /// <summary>For a search that takes too long.</summary>
    public void GiveUp() => IsTooSmall = true;

    public void Add(int key)
    {
        if (_count == _room.Length) IsTooSmall = true;
        else _room[_count++] = key;
    }
}
