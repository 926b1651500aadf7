namespace Identity;

/// <summary>
/// How often each of many may do something: a burst, then one each <paramref name="refill"/>. Time only moves forward here, whatever becomes of the clock.
/// Compiled into each process that needs it.
/// </summary>
/// <param name="burst">At once, after a quiet while.</param>
/// <param name="maxKeys">Of those whose bucket is not whole; while there are so many, others are refused.</param>
internal sealed class TokenBuckets<TKey>(TimeProvider time, int burst, TimeSpan refill, int maxKeys)
    where TKey : notnull
{
    private readonly Lock _gate = new();
    private readonly long _refill = Math.Max(1, (long)(refill.TotalSeconds * time.TimestampFrequency));

    // When the bucket is whole again. One moment says all: tokens left = burst - (whole - now) / refill.
    private readonly Dictionary<TKey, long> _wholeAt = [];
    private long _nextSweep = long.MinValue;

    /// <summary>Takes all of them or none. False when not so many are left.</summary>
    public bool TryTake(TKey key, int count = 1)
    {
        var now = time.GetTimestamp();
        lock (_gate)
        {
            var isKnown = _wholeAt.TryGetValue(key, out var wholeAt);
            if (!isKnown && _wholeAt.Count >= maxKeys && !TryForget(now)) return false;
            wholeAt = (isKnown ? Math.Max(wholeAt, now) : now) + (_refill * count);
            if (wholeAt - now > _refill * burst) return false;
            _wholeAt[key] = wholeAt;
            return true;
        }
    }

    // Who is whole again loses nothing by being forgotten. Strangers may bring us here as often as they like, so it is not looked through each time.
    private bool TryForget(long now)
    {
        if (now < _nextSweep) return false;
        _nextSweep = now + _refill;
        foreach (var (key, wholeAt) in _wholeAt)
        {
            if (wholeAt <= now) _wholeAt.Remove(key);
        }

        return _wholeAt.Count < maxKeys;
    }
}
