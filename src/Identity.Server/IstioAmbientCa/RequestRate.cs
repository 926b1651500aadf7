namespace Identity.Server.IstioAmbientCa;

/// <summary>
/// How often one pod may ask for one identity: a burst, then one each few seconds. ztunnel asks again at once, without end, when a
/// certificate is of no use to it; this bounds what such a loop costs.
/// </summary>
internal sealed class RequestRate(TimeProvider time)
{
    private const int Burst = 10;
    private const int MaxRemembered = 100_000;
    private static readonly TimeSpan Refill = TimeSpan.FromSeconds(5);

    private readonly Lock _gate = new();

    // The moment from which the full burst is available again.
    private readonly Dictionary<(string Caller, string Id), DateTimeOffset> _full = [];

    public bool TryTake(string caller, string id)
    {
        var now = time.GetUtcNow();
        lock (_gate)
        {
            if (_full.Count >= MaxRemembered) Forget(now);
            var full = _full.TryGetValue((caller, id), out var known) && known > now ? known : now;
            if (full + Refill - now > Refill * Burst) return false;
            _full[(caller, id)] = full + Refill;
            return true;
        }
    }

    // Those whose burst is whole again lose nothing by being forgotten; if that frees nothing, all are.
    private void Forget(DateTimeOffset now)
    {
        foreach (var key in _full.Where(entry => entry.Value <= now).Select(entry => entry.Key).ToArray()) _full.Remove(key);
        if (_full.Count >= MaxRemembered) _full.Clear();
    }
}
