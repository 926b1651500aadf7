namespace Identity.Server.DecisionPoints.WasmCloudV2;

/// <summary>Requests on their way to hosts, by host and verb. Knows only hosts that something is on its way to.</summary>
internal sealed class HostBound
{
    private readonly Lock _gate = new();
    private readonly Dictionary<(string HostId, HostVerb Verb), int> _underWay = [];

    /// <summary>A place, to be given back; null when there are as many on their way as may be.</summary>
    public IDisposable? TryEnter(GateSubject to, int max)
    {
        var key = (to.HostId, to.Verb);
        lock (_gate)
        {
            var count = _underWay.GetValueOrDefault(key);
            if (count >= max) return null;
            _underWay[key] = count + 1;
        }

        return new Place(this, key);
    }

    private void Leave((string HostId, HostVerb Verb) key)
    {
        lock (_gate)
        {
            if (_underWay[key] == 1) _underWay.Remove(key);
            else _underWay[key]--;
        }
    }

    private sealed class Place(HostBound bound, (string HostId, HostVerb Verb) key) : IDisposable
    {
        private bool _isLeft;

        public void Dispose()
        {
            if (_isLeft) return;
            _isLeft = true;
            bound.Leave(key);
        }
    }
}
