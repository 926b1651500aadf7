namespace Identity.Agent.Endpoints;

/// <summary>
/// Shares something scarce among callers who come unannounced. A caller may take one more while it holds less than is left. So one alone gets half, and however many
/// are greedy, who comes next finds as much left as each of them has.
/// </summary>
internal sealed class FairShares(int total)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<long, int> _held = [];
    private int _left = total;

    /// <summary>Null when the caller has its share.</summary>
    public IDisposable? TryTake(long caller)
    {
        lock (_lock)
        {
            var held = _held.GetValueOrDefault(caller);
            if (held >= _left) return null;
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
