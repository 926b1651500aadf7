using Grpc.Core;

namespace Identity.Agent.Endpoints;

/// <summary>How much one caller may hold open, so that none can starve the others.</summary>
internal sealed class StreamBounds(int mostForEach)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, int> _open = new(StringComparer.Ordinal);

    /// <summary>Counts one more for this caller until disposed; throws Unavailable when it has its share (Workload Endpoint §6: overloaded).</summary>
    public IDisposable Enter(string caller)
    {
        lock (_lock)
        {
            var open = _open.GetValueOrDefault(caller);
            if (open >= mostForEach)
                throw new RpcException(new Status(StatusCode.Unavailable, $"this caller has {open} calls open, which is the most; close some and retry"));
            _open[caller] = open + 1;
        }

        return new Leave(this, caller);
    }

    private void Exit(string caller)
    {
        lock (_lock)
        {
            if (--_open[caller] == 0) _open.Remove(caller);
        }
    }

    private sealed class Leave(StreamBounds bounds, string caller) : IDisposable
    {
        private int _hasLeft;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _hasLeft, 1) == 0) bounds.Exit(caller);
        }
    }
}
