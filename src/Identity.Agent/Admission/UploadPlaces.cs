using Spiffe.Net;

namespace Identity.Agent.Admission;

/// <summary>Room for components that are arriving. A host has at most half of it, so that one that dawdles does not keep the others waiting.</summary>
internal sealed class UploadPlaces : IDisposable
{
    public const int Most = 4;
    public const int MostForEachHost = Most / 2;

    private readonly Lock _lock = new();
    private readonly Dictionary<SpiffeId, Share> _shares = [];
    private readonly SemaphoreSlim _free = new(Most, Most);

    /// <summary>Waits for a place; dispose what it returns to leave it.</summary>
    public async Task<IDisposable> TakeAsync(SpiffeId host, CancellationToken cancellation)
    {
        var share = Join(host);
        try
        {
            // The share first: who waits for its own share keeps no place from others.
            await share.Free.WaitAsync(cancellation);
            try
            {
                await _free.WaitAsync(cancellation);
            }
            catch
            {
                share.Free.Release();
                throw;
            }
        }
        catch
        {
            Leave(host, share);
            throw;
        }

        return new Place(this, host, share);
    }

    public void Dispose() => _free.Dispose();

    private Share Join(SpiffeId host)
    {
        lock (_lock)
        {
            if (!_shares.TryGetValue(host, out var share)) _shares[host] = share = new Share();
            share.Users++;
            return share;
        }
    }

    private void Leave(SpiffeId host, Share share)
    {
        lock (_lock)
        {
            if (--share.Users > 0) return;
            _shares.Remove(host);
        }

        share.Free.Dispose();
    }

    private sealed class Share
    {
        public SemaphoreSlim Free { get; } = new(MostForEachHost, MostForEachHost);

        /// <summary>Who holds a place of it or waits for one; guarded by the lock.</summary>
        public int Users { get; set; }
    }

    private sealed class Place(UploadPlaces places, SpiffeId host, Share share) : IDisposable
    {
        private int _isLeft;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _isLeft, 1) != 0) return;
            places._free.Release();
            share.Free.Release();
            places.Leave(host, share);
        }
    }
}
