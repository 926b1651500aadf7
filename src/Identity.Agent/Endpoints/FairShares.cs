namespace Identity.Agent.Endpoints;

/// <summary>
/// Shares something scarce among callers who come unannounced. A caller may take one more while it holds less than is left over; a quarter is for those only who hold
/// next to nothing. So one alone gets three eighths, and however greedy some are, hundreds who come after them still find something.
/// </summary>
internal sealed class FairShares(int total)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<long, int> _held = [];
    private readonly int _reserve = total / 4;
    private readonly int _little = Math.Max(1, total / 1250);
    private int _left = total;

    /// <summary>Null when the caller has its share.</summary>
    public IDisposable? TryTake(long caller)
    {
        lock (_lock)
        {
            var held = _held.GetValueOrDefault(caller);
            if (held >= (held < _little ? _left : _left - _reserve)) return null;
            _held[caller] = held + 1;
            _left--;
        }

        return new Share(this, caller);
    }

    private void GiveBack(long caller)
    {
        lock (_lock)
        {
            _left++;
            if (--_held[caller] == 0) _held.Remove(caller);
        }
    }

    private sealed class Share(FairShares shares, long caller) : IDisposable
    {
        private int _isGivenBack;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _isGivenBack, 1) == 0) shares.GiveBack(caller);
        }
    }
}
