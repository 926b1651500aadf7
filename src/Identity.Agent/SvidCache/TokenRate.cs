namespace Identity.Agent.SvidCache;

/// <summary>
/// How fast tokens are made for one entry: each is a signature and a row of the server's journal, and a workload may think of any number of audiences. What is kept
/// costs nothing and is not counted.
/// </summary>
internal sealed class TokenRate(TimeProvider time)
{
    /// <summary>At once, after a quiet while.</summary>
    public const int Burst = 3000;

    public const int EachSecond = 10;

    private const int MaxEntries = 20_000;

    private readonly Dictionary<string, (double Left, long At)> _entries = new(StringComparer.Ordinal);

    /// <summary>False when this entry has had its share. To be called by one at a time.</summary>
    public bool TryTake(string entryId)
    {
        var now = time.GetTimestamp();
        if (_entries.Count >= MaxEntries && !_entries.ContainsKey(entryId)) _entries.Clear();
        var (left, at) = _entries.GetValueOrDefault(entryId, (Burst, now));
        left = Math.Min(Burst, left + (time.GetElapsedTime(at, now).TotalSeconds * EachSecond));
        var mayTake = left >= 1;
        _entries[entryId] = (mayTake ? left - 1 : left, now);
        return mayTake;
    }
}
